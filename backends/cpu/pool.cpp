// Pooling: the work dealt out to threads.
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/pool_rows.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/pool_attrs.h>

namespace tapir::cpu {
namespace {

constexpr std::int64_t kGrain = 64 << 10;  // input elements read

PoolGeometry geometry(const Call& call) {
  const auto& a = call.attrs.as<PoolAttrs>();
  PoolGeometry g;
  g.channels = call.in[0].shape()[4];
  for (int d = 0; d < 3; ++d) {
    g.input[d] = a.input[d], g.size[d] = a.size[d], g.stride[d] = a.strides[d];
    g.before[d] = a.before[d], g.output[d] = a.output[d];
  }
  return g;
}

// f(functions of T, T{}, geometry)
template <class F>
void dispatch(const Call& call, F&& f) {
  const PoolFns& fns =
      by_isa(&v2::pool_fns, TAPIR_TOP_ISA >= 3 ? &v3::pool_fns : nullptr, TAPIR_TOP_ISA >= 4 ? &v4::pool_fns : nullptr);
  const PoolGeometry g = geometry(call);
  if (call.out[0].dtype() == DType::f32) f(fns.f32, float{}, g);
  else f(fns.f64, double{}, g);
}

// body(from, to) over the output rows; `whole` images if rows depend on each other.
template <class F>
void over_rows(const Call& call, const PoolGeometry& g, bool whole, F&& body) {
  const std::int64_t unit = whole ? g.output[0] * g.output[1] : 1;
  const std::int64_t work = unit * g.output[2] * g.channels * g.size[0] * g.size[1] * g.size[2];
  parallel_for(call.out[0].shape()[0] * g.output[0] * g.output[1] / std::max<std::int64_t>(unit, 1),
               kGrain / (work + 1) + 1, [&](std::int64_t from, std::int64_t to) { body(from * unit, to * unit); });
}

}  // namespace

void max_pool(const Call& call) {
  dispatch(call, [&](auto& fns, auto t, const PoolGeometry& g) {
    using T = decltype(t);
    const bool keep = call.out.size() > 1;
    void* winners = keep ? call.out[1].mutable_data<char>() : nullptr;
    const bool wide = keep && call.out[1].dtype() == DType::i32;
    over_rows(call, g, false, [&](std::int64_t from, std::int64_t to) {
      fns.max(g, call.in[0].data<T>(), call.out[0].mutable_data<T>(), winners, wide, from, to);
    });
  });
}

void max_pool_pick(const Call& call) {
  dispatch(call, [&](auto& fns, auto t, const PoolGeometry& g) {
    using T = decltype(t);
    over_rows(call, g, false, [&](std::int64_t from, std::int64_t to) {
      fns.pick(g, call.in[0].data<T>(), call.out[0].mutable_data<T>(), call.in[1].data<char>(),
               call.in[1].dtype() == DType::i32, from, to);
    });
  });
}

void max_pool_grad(const Call& call) {
  dispatch(call, [&](auto& fns, auto t, const PoolGeometry& g) {
    using T = decltype(t);
    over_rows(call, g, !g.covered(), [&](std::int64_t from, std::int64_t to) {
      fns.max_grad(g, call.in[0].data<T>(), call.out[0].mutable_data<T>(), call.in[1].data<char>(),
                   call.in[1].dtype() == DType::i32, from, to);
    });
  });
}

void avg_pool(const Call& call) {
  dispatch(call, [&](auto& fns, auto t, const PoolGeometry& g) {
    using T = decltype(t);
    over_rows(call, g, false, [&](std::int64_t from, std::int64_t to) {
      fns.avg(g, call.in[0].data<T>(), call.out[0].mutable_data<T>(), from, to);
    });
  });
}

void avg_pool_grad(const Call& call) {
  dispatch(call, [&](auto& fns, auto t, const PoolGeometry& g) {
    using T = decltype(t);
    over_rows(call, g, !g.covered(), [&](std::int64_t from, std::int64_t to) {
      fns.avg_grad(g, call.in[0].data<T>(), call.out[0].mutable_data<T>(), from, to);
    });
  });
}

}  // namespace tapir::cpu
