// Draws: every element is a function of the key and its own index, so that any number of threads gives the same.
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/random_tiles.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/random_attrs.h>
#include <tapir/ops/tile.h>
#include <tapir/tensor/convert.h>

#include <cmath>
#include <numbers>
#include <numeric>

namespace tapir::cpu {
namespace {

using random::PhiloxKey;

constexpr std::int64_t kBlock = 1024;  // elements at a time: whole groups

const RandomFns& fns() {
#if TAPIR_TOP_ISA >= 4
  if (isa() == Isa::v4) return v4::random_fns;
#endif
#if TAPIR_TOP_ISA >= 3
  if (isa() >= Isa::v3) return v3::random_fns;
#endif
  return v2::random_fns;
}

PhiloxKey key_of(const Tensor& t) {
  auto* k = t.data<std::int64_t>();
  return {std::uint64_t(k[0]), std::uint64_t(k[1])};
}

// fill(first, n, buffer) makes n floats; they are stored as the output's dtype.
template <class F>
void draw_floats(const Tensor& y, F fill) {
  const bool half = is_half(y.dtype());
  const std::int64_t n = y.size();
  parallel_for((n + kBlock - 1) / kBlock, 8, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float buffer[kBlock];
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t first = b * kBlock, count = std::min(kBlock, n - first);
      const bool direct = !half && count == kBlock;
      float* to = direct ? y.mutable_data<float>() + first : buffer;
      fill(first, count, to);
      if (!direct)
        tapir::detail::convert(buffer, DType::f32, 1,
                               y.mutable_data<std::byte>() + first * std::int64_t(size_of(y.dtype())), y.dtype(),
                               count);
    }
  });
}

template <class F>
void draw_each(std::int64_t n, F f) {
  parallel_for(n, 2000, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t i = b; i < e; ++i) f(i);
  });
}

double unit(std::uint64_t bits) { return double(bits >> 11) * 0x1p-53; }

// The pair of elements that share a counter get the cosine and the sine.
double normal_f64(const PhiloxKey& key, std::int64_t i) {
  const std::int64_t even = i - i % 32 + i % 16;
  const double u = double((random::philox_long(key, std::uint64_t(even)) >> 11) + 1) * 0x1p-53;
  const double angle = 2 * std::numbers::pi * unit(random::philox_long(key, std::uint64_t(even + 16)));
  const double r = std::sqrt(-2 * std::log(u));
  return i == even ? r * std::cos(angle) : r * std::sin(angle);
}

void normals(const PhiloxKey& key, std::int64_t first, float mean, float stddev, float* out) {
  alignas(64) std::uint32_t words[kBlock];
  fns().words(key, std::uint64_t(first / 64), kBlock / 64, words);
  fns().normals(words, kBlock / 64, mean, stddev, out);
}

}  // namespace

void random_uniform(const Call& call) {
  const auto& a = call.attrs.as<DrawAttrs>();
  const Tensor& y = call.out[0];
  const PhiloxKey key = key_of(call.in[0]);
  const double below = just_below(a.b, y.dtype());
  if (y.dtype() == DType::f64) {
    auto* to = y.mutable_data<double>();
    return draw_each(y.size(), [&](std::int64_t i) {
      to[i] = std::min(a.a + (a.b - a.a) * unit(random::philox_long(key, std::uint64_t(i))), below);
    });
  }
  draw_floats(y, [&](std::int64_t first, std::int64_t n, float* to) {
    alignas(64) std::uint32_t words[kBlock];
    fns().words(key, std::uint64_t(first / 64), (n + 63) / 64, words);
    fns().uniforms(words, n, float(a.a), float(a.b), float(below), to);
  });
}

void random_normal(const Call& call) {
  const auto& a = call.attrs.as<DrawAttrs>();
  const Tensor& y = call.out[0];
  const PhiloxKey key = key_of(call.in[0]);
  if (y.dtype() == DType::f64) {
    auto* to = y.mutable_data<double>();
    return draw_each(y.size(), [&](std::int64_t i) {
      PhiloxKey k = key;
      double z = normal_f64(k, i);
      while (a.truncated && std::abs(z) > 2 && ++k.attempt < 255) z = normal_f64(k, i);
      to[i] = a.a + a.b * (a.truncated ? std::clamp(z, -2.0, 2.0) : z);
    });
  }
  if (!a.truncated)
    return draw_floats(
        y, [&](std::int64_t first, std::int64_t, float* to) { normals(key, first, float(a.a), float(a.b), to); });
  draw_floats(y, [&](std::int64_t first, std::int64_t, float* to) {
    normals(key, first, 0, 1, to);
    alignas(64) float again[kBlock];
    PhiloxKey k = key;
    auto outside = [&] { return std::any_of(to, to + kBlock, [](float z) { return std::abs(z) > 2; }); };
    while (outside()) {
      ++k.attempt;
      normals(k, first, 0, 1, again);
      for (int i = 0; i < kBlock; ++i)
        if (std::abs(to[i]) > 2) to[i] = again[i];
    }
    for (int i = 0; i < kBlock; ++i) to[i] = float(a.a) + float(a.b) * to[i];
  });
}

void random_integers(const Call& call) {
  const auto& a = call.attrs.as<IntegerDrawAttrs>();
  const Tensor& y = call.out[0];
  const PhiloxKey key = key_of(call.in[0]);
  const std::uint64_t range = std::uint64_t(a.high) - std::uint64_t(a.low);
  const std::int64_t n = y.size();
  parallel_for((n + kBlock - 1) / kBlock, 4, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) std::uint32_t words[2 * kBlock];
    std::int64_t values[kBlock];
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t first = b * kBlock, count = std::min(kBlock, n - first);
      fns().words(key, std::uint64_t(first / 32), (count + 31) / 32, words);
      for (std::int64_t i = 0; i < count; ++i) {
        const std::uint32_t* w = words + i / 32 * 64 + i % 32 / 16 * 32 + i % 16;
        const std::uint64_t bits = w[0] | std::uint64_t(w[16]) << 32;
        values[i] = std::int64_t(std::uint64_t(a.low) + std::uint64_t((unsigned __int128)bits * range >> 64));
      }
      tapir::detail::convert(values, DType::i64, 1,
                             y.mutable_data<std::byte>() + first * std::int64_t(size_of(y.dtype())), y.dtype(), count);
    }
  });
}

namespace {

template <class T>
void categorical(const Call& call) {
  const Tensor &logits = call.in[0], &y = call.out[0];
  const PhiloxKey key = key_of(call.in[1]);
  const std::int64_t classes = logits.shape().back(), draws = call.attrs.as<CountAttrs>().count;
  const std::int64_t rows = logits.size() / classes;
  auto* out = y.mutable_data<std::int64_t>();
  parallel_for(rows, 1 + 2000 / (classes + draws), [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(std::size_t(classes), 0.0);
    for (std::int64_t r = begin; r < end; ++r) {
      const T* x = logits.data<T>() + r * classes;
      const double top = *std::max_element(x, x + classes);
      double sum = 0;
      for (std::int64_t c = 0; c < classes; ++c) sums[std::size_t(c)] = sum += std::exp(double(x[c]) - top);
      for (std::int64_t i = r * draws; i < (r + 1) * draws; ++i) {
        auto at =
            std::upper_bound(sums.begin(), sums.end() - 1, sum * unit(random::philox_long(key, std::uint64_t(i))));
        out[i] = at - sums.begin();
      }
    }
  });
}

}  // namespace

void random_categorical(const Call& call) {
  if (call.in[0].dtype() == DType::f64) categorical<double>(call);
  else categorical<float>(call);
}

void random_permutation(const Call& call) {
  const PhiloxKey key = key_of(call.in[0]);
  const Tensor& y = call.out[0];
  auto* p = y.mutable_data<std::int64_t>();
  std::iota(p, p + y.size(), std::int64_t(0));
  for (std::int64_t i = y.size() - 1; i > 0; --i)
    std::swap(
        p[i],
        p[std::int64_t((unsigned __int128)random::philox_long(key, std::uint64_t(i)) * std::uint64_t(i + 1) >> 64)]);
}

void dropout(const Call& call) {
  const double rate = call.attrs.as<DropoutAttrs>().rate, scale = 1 / (1 - rate);
  const Tensor &x = call.in[0], &y = call.out[0];
  const PhiloxKey key = key_of(call.in[1]);
  const auto threshold = std::uint32_t(std::min(rate * 0x1p32, double(0xffffffffu)));
  parallel_for((x.size() + kBlock - 1) / kBlock, 8, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) std::uint32_t words[kBlock];
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t first = b * kBlock, n = std::min(kBlock, x.size() - first);
      fns().words(key, std::uint64_t(first / 64), (n + 63) / 64, words);
      if (x.dtype() == DType::f64) {
        const double* p = x.data<double>() + first;
        double* q = y.mutable_data<double>() + first;
        for (std::int64_t i = 0; i < n; ++i) q[i] = words[i] >= threshold ? p[i] * scale : 0.0;
      } else {
        fns().keep(words, x.data<float>() + first, n, threshold, float(scale), y.mutable_data<float>() + first);
      }
    }
  });
}

}  // namespace tapir::cpu
