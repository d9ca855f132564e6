// Sums of columns over values that come in runs: [rows, width], row after row. Sums are short-ranged for some rounds,
// then wide, so that they are as exact as sums over all of memory; narrow rows are added several at a time.
#pragma once
#include <tapir/backends/cpu/isa.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/functors/arithmetic.h>
#include <tapir/ops/tile.h>

#include <cstring>

namespace tapir::cpu {

class ColumnSums {
 public:
  static constexpr std::int64_t widest = 4096;

  /// `dtype`: f32 or f64. `to`: `width` sums, at most `widest`, that are added to.
  ColumnSums(DType dtype, std::int64_t width, double* to)
      : dtype_(dtype),
        width_(width),
        period_(width * std::max<std::int64_t>(1, kTogether / width)),
        to_(to),
        add_(op<vmath::fn::Add>.tile->isa[int(isa())]->by_dtype[int(dtype)]),
        item_(std::int64_t(size_of(dtype))) {
    clear();
  }
  ~ColumnSums() { flush(); }
  ColumnSums(const ColumnSums&) = delete;
  ColumnSums& operator=(const ColumnSums&) = delete;

  void add(const void* values, std::int64_t count) {
    for (auto* x = static_cast<const std::byte*>(values); count > 0;) {
      const std::int64_t n = std::min(count, period_ - at_);
      std::byte* sums = sums_ + at_ * item_;
      const void* in[] = {sums, x};
      add_(in, sums, n, nullptr);
      x += n * item_, at_ += n, count -= n;
      if (at_ < period_) continue;
      at_ = 0;
      if (++rounds_ == kRounds) flush();
    }
  }

 private:
  static constexpr std::int64_t kTogether = 1024, kRounds = 64;

  void clear() {
    std::memset(sums_, 0, std::size_t(period_ * item_));
    rounds_ = 0;
  }
  void flush() {
    auto join = [&](auto* s) {
      for (std::int64_t i = 0; i < period_; i += width_)
        for (std::int64_t j = 0; j < width_; ++j) to_[j] += double(s[i + j]);
    };
    if (dtype_ == DType::f32) join(reinterpret_cast<const float*>(sums_));
    else join(reinterpret_cast<const double*>(sums_));
    clear();
  }

  DType dtype_;
  std::int64_t width_, period_;
  double* to_;
  TileFn add_;
  std::int64_t item_, at_ = 0, rounds_ = 0;
  alignas(64) std::byte sums_[widest * sizeof(double)];
};

}  // namespace tapir::cpu
