// Layer and root mean square normalisation: rows dealt out to threads. The sums over rows of the gradients do not
// depend on the number of threads.
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/layer_norm.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/normalization_attrs.h>

namespace tapir::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 16, kMostChunks = 32;  // elements

template <class F>
void dispatch(DType d, F&& f) {
  const LayerNormRows& rows = by_isa(&v2::layer_norm_rows, TAPIR_TOP_ISA >= 3 ? &v3::layer_norm_rows : nullptr,
                                     TAPIR_TOP_ISA >= 4 ? &v4::layer_norm_rows : nullptr);
  if (d == DType::f32) f(rows.f32, float{});
  else f(rows.f64, double{});
}

// in: x, scale and, for a layer norm, offset
void forward(const Call& call, bool centred) {
  const Tensor &x = call.in[0], &scale = call.in[1];
  const std::int64_t n = scale.size();
  dispatch(x.dtype(), [&](auto& fns, auto zero) {
    using T = decltype(zero);
    const auto run = centred ? fns.layer : fns.rms;
    const T* offset = centred ? call.in[2].template data<T>() : nullptr;
    parallel_for(x.size() / n, kGrain / n + 1, [&](std::int64_t from, std::int64_t to) {
      run(x.data<T>() + from * n, scale.data<T>(), offset, call.attrs.as<NormAttrs>().epsilon, to - from, n,
          call.out[0].mutable_data<T>() + from * n);
    });
  });
}

// in: x, scale, dy; out: dx, dscale and, for a layer norm, doffset
void gradient(const Call& call, bool centred) {
  const Tensor &x = call.in[0], &scale = call.in[1], &dy = call.in[2];
  const std::int64_t n = scale.size(), rows = x.size() / n, sums = centred ? 2 : 1;
  const std::int64_t chunks =
      std::clamp<std::int64_t>(x.size() / kGrain, 1, std::clamp<std::int64_t>(rows, 1, kMostChunks));
  dispatch(x.dtype(), [&](auto& fns, auto zero) {
    using T = decltype(zero);
    const auto run = centred ? fns.layer_grad : fns.rms_grad;
    Tensor memory = Tensor::empty({chunks, sums * n}, DType::f64);
    double* parts = memory.mutable_data<double>();
    parallel_for(
        chunks, kGrain * chunks / std::max<std::int64_t>(1, x.size()) + 1, [&](std::int64_t from, std::int64_t to) {
          Tensor work = Tensor::empty({2 * n}, x.dtype());
          for (std::int64_t k = from; k < to; ++k) {
            const std::int64_t begin = rows * k / chunks, end = rows * (k + 1) / chunks;
            double* mine = parts + k * sums * n;
            std::fill(mine, mine + sums * n, 0.0);
            run(x.data<T>() + begin * n, scale.data<T>(), dy.data<T>() + begin * n, call.attrs.as<NormAttrs>().epsilon,
                end - begin, n, call.out[0].mutable_data<T>() + begin * n, mine, mine + n, work.mutable_data<T>());
          }
        });
    parallel_for(sums * n, kGrain / chunks, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t k = 1; k < chunks; ++k)
        for (std::int64_t i = from; i < to; ++i) parts[i] += parts[k * sums * n + i];
      for (std::int64_t i = from; i < to; ++i)
        call.out[std::size_t(1 + i / n)].template mutable_data<T>()[i % n] = T(parts[i]);
    });
  });
}

}  // namespace

void layer_norm(const Call& call) { forward(call, true); }
void rms_norm(const Call& call) { forward(call, false); }
void layer_norm_grad(const Call& call) { gradient(call, true); }
void rms_norm_grad(const Call& call) { gradient(call, false); }

}  // namespace tapir::cpu
