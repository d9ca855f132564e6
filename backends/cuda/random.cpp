// Draws: each element is a function of the key and its own index, by the Philox of the CPU (ops/philox.h), so words are
// the same on every device; floats made of them by a logarithm or a cosine may differ in the last bits.
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/philox.h>
#include <tapir/ops/random_attrs.h>
#include <tapir/tensor/cast_one.h>
#include <tapir/tensor/cuda_module.h>

#include <cmath>

namespace tapir::cuda {
namespace {

using random::PhiloxKey;
using tapir::detail::cast_one;

TAPIR_HD PhiloxKey key_at(const std::int64_t* k) { return {std::uint64_t(k[0]), std::uint64_t(k[1])}; }
TAPIR_HD double unit(std::uint64_t bits) { return double(bits >> 11) * 0x1p-53; }
TAPIR_HD std::uint64_t high_product(std::uint64_t a, std::uint64_t b) {
#ifdef __CUDA_ARCH__
  return __umul64hi(a, b);
#else
  return std::uint64_t((unsigned __int128)a * b >> 64);
#endif
}

// f(T{}) for floating dtypes.
template <class F>
void visit_floating(DType d, F&& f) {
  visit_dtype(d, [&](auto t) {
    if constexpr (is_floating(dtype_of<decltype(t)>())) f(t);
  });
}

// The global generator is the host's: 16 bytes a key go up.
void random_key(const Call& call) {
  const Tensor& y = call.out[0];
  Tensor host = Tensor::empty(y.shape(), y.dtype());
  cpu::random_key({call.op, call.in, {&host, 1}, call.attrs});
  tapir::detail::cuda_module(y.device(), "random_key")
      .copy(y.mutable_data<std::byte>(), y.device(), host.data<std::byte>(), Device::cpu(), std::size_t(y.size()) * 8);
}

template <class T>
struct Uniform {
  T* to;
  const std::int64_t* key;
  double low, high, below;
  TAPIR_HD void operator()(std::int64_t i) const {
    const PhiloxKey k = key_at(key);
    if constexpr (std::is_same_v<T, double>) {
      const double v = low + (high - low) * unit(random::philox_long(k, std::uint64_t(i)));
      to[i] = v < below ? v : below;
    } else {
      const std::uint32_t word = random::philox_word(k, std::uint64_t(i));
      const float range = float(high) - float(low);
      const float v = float(low) + range * (float(std::int32_t(word >> 8)) * 0x1p-24f);
      to[i] = cast_one<T>(v < float(below) ? v : float(below));
    }
  }
};

void random_uniform(const Call& call) {
  const auto& a = call.attrs.as<DrawAttrs>();
  const double below = just_below(a.b, a.dtype);
  visit_floating(a.dtype, [&](auto t) {
    using T = decltype(t);
    launch(call.out[0].size(),
           Uniform<T>{call.out[0].mutable_data<T>(), call.in[0].data<std::int64_t>(), a.a, a.b, below});
  });
}

TAPIR_HD double normal_f64(const PhiloxKey& key, std::int64_t i) {
  constexpr double pi = 3.14159265358979323846;
  const std::int64_t even = i - i % 32 + i % 16;
  const double u = double((random::philox_long(key, std::uint64_t(even)) >> 11) + 1) * 0x1p-53;
  const double angle = 2 * pi * unit(random::philox_long(key, std::uint64_t(even + 16)));
  const double r = std::sqrt(-2 * std::log(u));
  return i == even ? r * std::cos(angle) : r * std::sin(angle);
}
// Two elements share a counter's first two words, two its last: they get the cosine and the sine.
TAPIR_HD float normal_f32(const PhiloxKey& key, std::int64_t i) {
  const random::PhiloxWords w = random::philox_block(key, std::uint64_t(i / 64 * 16 + i % 16));
  const std::int64_t half = i % 64 / 32 * 2;
  const float u = (float(std::int32_t(w.word[half] >> 1)) + 0.5f) * 0x1p-31f;
  const float angle = float(std::int32_t(w.word[half + 1])) * (3.14159265358979f * 0x1p-31f);
  const float r = std::sqrt(std::log(u) * -2.0f);
  return i % 32 < 16 ? r * std::cos(angle) : r * std::sin(angle);
}

template <class T>
struct Normal {
  T* to;
  const std::int64_t* key;
  double mean, deviation;
  bool truncated;
  TAPIR_HD void operator()(std::int64_t i) const {
    PhiloxKey k = key_at(key);
    if constexpr (std::is_same_v<T, double>) {
      double z = normal_f64(k, i);
      while (truncated && std::fabs(z) > 2 && ++k.attempt < 255) z = normal_f64(k, i);
      to[i] = mean + deviation * (truncated ? (z < -2 ? -2 : z > 2 ? 2 : z) : z);
    } else {
      float z = normal_f32(k, i);
      while (truncated && std::fabs(z) > 2 && ++k.attempt < 255) z = normal_f32(k, i);
      to[i] = cast_one<T>(float(mean) + float(deviation) * z);
    }
  }
};

void random_normal(const Call& call) {
  const auto& a = call.attrs.as<DrawAttrs>();
  visit_floating(a.dtype, [&](auto t) {
    using T = decltype(t);
    launch(call.out[0].size(),
           Normal<T>{call.out[0].mutable_data<T>(), call.in[0].data<std::int64_t>(), a.a, a.b, a.truncated});
  });
}

template <class T>
struct Integers {
  T* to;
  const std::int64_t* key;
  std::int64_t low, high;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::uint64_t range = std::uint64_t(high) - std::uint64_t(low);
    const std::uint64_t bits = random::philox_long(key_at(key), std::uint64_t(i));
    to[i] = cast_one<T>(std::int64_t(std::uint64_t(low) + high_product(bits, range)));
  }
};

void random_integers(const Call& call) {
  const auto& a = call.attrs.as<IntegerDrawAttrs>();
  visit_dtype(a.dtype, [&](auto t) {
    using T = decltype(t);
    if constexpr (std::is_integral_v<T>)
      launch(call.out[0].size(),
             Integers<T>{call.out[0].mutable_data<T>(), call.in[0].data<std::int64_t>(), a.low, a.high});
  });
}

// A thread a row: running sums of the weights, then a search for each draw.
template <class T>
struct Categorical {
  const T* logits;
  const std::int64_t* key;
  double* sums;
  std::int64_t* out;
  std::int64_t classes, draws;
  TAPIR_HD void operator()(std::int64_t r) const {
    const T* x = logits + r * classes;
    double* s = sums + r * classes;
    double top = x[0], sum = 0;
    for (std::int64_t c = 1; c < classes; ++c) top = double(x[c]) > top ? double(x[c]) : top;
    for (std::int64_t c = 0; c < classes; ++c) s[c] = sum += std::exp(double(x[c]) - top);
    for (std::int64_t i = r * draws; i < (r + 1) * draws; ++i) {
      const double v = sum * unit(random::philox_long(key_at(key), std::uint64_t(i)));
      std::int64_t low = 0, high = classes - 1;
      while (low < high) {
        const std::int64_t middle = (low + high) / 2;
        if (v < s[middle]) high = middle;
        else low = middle + 1;
      }
      out[i] = low;
    }
  }
};

void random_categorical(const Call& call) {
  const Tensor& x = call.in[0];
  const std::int64_t classes = x.shape().back(), rows = x.size() / classes;
  Scratch sums(std::size_t(x.size()) * sizeof(double));
  auto run = [&](auto t) {
    using T = decltype(t);
    launch(rows, Categorical<T>{x.data<T>(), call.in[1].data<std::int64_t>(), static_cast<double*>(sums.data()),
                                call.out[0].mutable_data<std::int64_t>(), classes, call.attrs.as<CountAttrs>().count});
  };
  x.dtype() == DType::f64 ? run(double{}) : run(float{});
}

// Fisher and Yates as the CPU does it, one swap after the other: one thread.
struct Permute {
  const std::int64_t* key;
  std::int64_t* p;
  std::int64_t n;
  TAPIR_HD void operator()(std::int64_t) const {
    for (std::int64_t i = 0; i < n; ++i) p[i] = i;
    for (std::int64_t i = n - 1; i > 0; --i) {
      const auto k =
          std::int64_t(high_product(random::philox_long(key_at(key), std::uint64_t(i)), std::uint64_t(i + 1)));
      const std::int64_t held = p[i];
      p[i] = p[k], p[k] = held;
    }
  }
};

void random_permutation(const Call& call) {
  launch(1, Permute{call.in[0].data<std::int64_t>(), call.out[0].mutable_data<std::int64_t>(), call.out[0].size()});
}

template <class T>
struct Drop {
  const T* x;
  const std::int64_t* key;
  T* y;
  std::uint32_t threshold;
  T scale;
  TAPIR_HD void operator()(std::int64_t i) const {
    y[i] = random::philox_word(key_at(key), std::uint64_t(i)) >= threshold ? x[i] * scale : T(0);
  }
};

void dropout(const Call& call) {
  const double rate = call.attrs.as<DropoutAttrs>().rate, scale = 1 / (1 - rate);
  const auto threshold = std::uint32_t(std::min(rate * 0x1p32, double(0xffffffffu)));
  const Tensor &x = call.in[0], &y = call.out[0];
  const auto* key = call.in[1].data<std::int64_t>();
  if (x.dtype() == DType::f64)
    launch(x.size(), Drop<double>{x.data<double>(), key, y.mutable_data<double>(), threshold, scale});
  else launch(x.size(), Drop<float>{x.data<float>(), key, y.mutable_data<float>(), threshold, float(scale)});
}

}  // namespace

void list_random(KernelList& out) {
  const NamedKernel all[] = {
      {"random_key", random_key},
      {"random_uniform", random_uniform},
      {"random_normal", random_normal},
      {"random_integers", random_integers},
      {"random_categorical", random_categorical},
      {"random_permutation", random_permutation},
      {"dropout", dropout},
  };
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
