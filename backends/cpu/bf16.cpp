#include <tapir/backends/cpu/bf16.h>
#include <tapir/backends/cpu/conv_cost.h>
#include <tapir/backends/cpu/half_loops.h>
#include <tapir/backends/cpu/onednn.h>
#include <tapir/backends/cpu/parallel.h>

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

namespace tapir::cpu {
namespace {

Bf16 of_machine() {
#ifdef TAPIR_ONEDNN
  return onednn::has(dnnl::cpu_isa::avx512_core_amx)    ? Bf16::amx
         : onednn::has(dnnl::cpu_isa::avx512_core_bf16) ? Bf16::avx512
                                                        : Bf16::none;
#else
  return Bf16::none;
#endif
}

Bf16 decide() {
#ifdef TAPIR_ONEDNN
  const char* asked = std::getenv("TAPIR_BF16");
  if (asked && !std::strcmp(asked, "emulate")) return Bf16::emulated;
#endif
  return isa() == Isa::v4 ? of_machine() : Bf16::none;
}

std::string why_none() {
#ifndef TAPIR_ONEDNN
  return "this build has no oneDNN";
#else
  if (of_machine() == Bf16::none) return "this CPU has no bf16 products";
  return fmt::format("kernels keep to x86-64-{}", name_of(isa()));
#endif
}

const HalfLoops& loops() {
  return by_isa(&v2::half_loops, TAPIR_TOP_ISA >= 3 ? &v3::half_loops : nullptr,
                TAPIR_TOP_ISA >= 4 ? &v4::half_loops : nullptr);
}

template <class T, class High, class Low>
void split_into(const float* from, std::int64_t n, Pieces s, Side side, T* to, std::int64_t apart, High high, Low low) {
  high(from, to, n);
  if (s.count == 1) return;
  const int of_low = side == Side::left ? 2 : 1;
  low(from, to + of_low * apart, n);
  std::memcpy(to + (3 - of_low) * apart, to, std::size_t(n) * sizeof(T));
}

}  // namespace

Bf16 bf16() {
  static const Bf16 decided = decide();
  return decided;
}

Pieces pieces_of(Precision p) {
  if (p == Precision::highest || bf16() == Bf16::none) return {};
  return {p == Precision::high ? 3 : 1, bf16() == Bf16::emulated ? DType::f32 : DType::bf16};
}

// AVX512-BF16 was measured on a Zen 5: 0.5 to 0.57 of f32's time. AMX nobody has measured: a tile does 16 times the
// multiply-adds of AVX-512's f32 a cycle, of which a half is taken to be reached.
double time_of(Pieces s) { return s.count * (bf16() == Bf16::avx512 ? 0.55 : 1.0 / 8); }

bool pieces_pay(Pieces s, double multiply_adds, double numbers) {
  if (s.count == 0 || bf16() == Bf16::emulated) return s.count;  // whatever is tested
  constexpr double ns = 0.15;                                    // to make a piece of a number
  return multiply_add_time(DType::f32) * multiply_adds * (1 - time_of(s)) > ns * s.count * numbers;
}

void split(const float* from, std::int64_t n, Pieces s, Side side, void* to, std::int64_t apart) {
  const HalfLoops& l = loops();
  if (s.dtype == DType::bf16) split_into(from, n, s, side, static_cast<bfloat16*>(to), apart, l.to_bf16, l.bf16_rest);
  else split_into(from, n, s, side, static_cast<float*>(to), apart, l.as_bf16, l.as_bf16_rest);
}

void split_runs(const float* from, std::int64_t runs, std::int64_t n, Pieces s, Side side, void* to) {
  constexpr std::int64_t grain = 1 << 14;
  const auto item = std::int64_t(size_of(s.dtype));
  auto at = [&](std::int64_t i) { return static_cast<std::byte*>(to) + i * item; };
  if (s.count == 1)  // where runs end does not matter
    return parallel_for(runs * n, grain, [&](std::int64_t begin, std::int64_t end) {
      split(from + begin, end - begin, s, side, at(begin), 0);
    });
  parallel_for(runs, grain / std::max<std::int64_t>(n, 1), [&](std::int64_t r, std::int64_t end) {
    for (; r < end; ++r) split(from + r * n, n, s, side, at(r * s.count * n), n);
  });
}

}  // namespace tapir::cpu

namespace tapir {

std::string explain(Precision p) {
  if (p == Precision::highest) return "highest: f32 products";
  const cpu::Bf16 by = cpu::bf16();
  if (by == cpu::Bf16::none) return fmt::format("{}: {}, f32 is used", name_of(p), cpu::why_none());
  return fmt::format("{}: {} by {} where they pay, f32 sums", name_of(p),
                     p == Precision::high ? "three bf16 products for one" : "bf16 products",
                     by == cpu::Bf16::amx      ? "AMX"
                     : by == cpu::Bf16::avx512 ? "AVX512-BF16"
                                               : "f32 (TAPIR_BF16=emulate)");
}

}  // namespace tapir
