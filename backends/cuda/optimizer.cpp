// Optimizer updates: the CPU's texts (ops/functors/optimizer.h), a launch a parameter, a thread an element. Learning
// rate and step are read on the device, by one thread that prepares the update, so the host waits for nothing.
#include <tapir/backends/cuda/cast.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/ops/optimizer_update.h>
#include <tapir/tensor/cuda_module.h>

namespace tapir::cuda {
namespace {

template <class F, class T>
using StepOf = typename F::template Step<T>;

template <class F, class T>
struct Prepare {
  F rule;
  const double* rate;
  const std::int64_t* t;
  StepOf<F, T>* step;
  TAPIR_HD void operator()(std::int64_t) const { *step = rule.template step<T>(*rate, *t); }
};

template <int N, class F, class T>
struct UpdateEach {
  const StepOf<F, T>* step;
  const T *p, *s0, *s1, *s2, *g;
  T *out_p, *out_0, *out_1, *out_2;
  TAPIR_HD void operator()(std::int64_t i) const {
    T value = p[i], a{}, b{}, c{};
    if constexpr (N > 0) a = s0[i];
    if constexpr (N > 1) b = s1[i];
    if constexpr (N > 2) c = s2[i];
    step->template run<N>(value, g[i], a, b, c);
    out_p[i] = value;
    if constexpr (N > 0) out_0[i] = a;
    if constexpr (N > 1) out_1[i] = b;
    if constexpr (N > 2) out_2[i] = c;
  }
};

// A scalar of any dtype, there and of this one.
Tensor scalar(const Tensor& t, DType dtype, Device device) {
  return as_dtype(tapir::detail::copied_to(t, device), dtype);
}

template <int N, class F, class T>
void run(const Call& call, const StepOf<F, T>* step) {
  const std::size_t count = call.out.size() / (1 + N);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = i * (1 + N);
    auto in = [&](std::size_t k) { return k <= N ? call.in[at + k].data<T>() : nullptr; };
    auto out = [&](std::size_t k) { return k <= N ? call.out[at + k].mutable_data<T>() : nullptr; };
    const T* gradient = call.in[count * (1 + N) + i].data<T>();
    launch(call.out[at].size(),
           UpdateEach<N, F, T>{step, in(0), in(1), in(2), in(3), gradient, out(0), out(1), out(2), out(3)});
  }
}

template <class F, class T>
void update_as(const Call& call) {
  const F& rule = call.attrs.as<F>();
  const std::size_t n = call.in.size();
  const Device device = call.out[0].device();
  const Tensor rate = scalar(call.in[n - 2], DType::f64, device), t = scalar(call.in[n - 1], DType::i64, device);
  Scratch memory(sizeof(StepOf<F, T>));
  auto* step = static_cast<StepOf<F, T>*>(memory.data());
  launch(1, Prepare<F, T>{rule, rate.data<double>(), t.data<std::int64_t>(), step});
  switch (rule.states()) {
    case 0:
      return run<0, F, T>(call, step);
    case 1:
      return run<1, F, T>(call, step);
    case 2:
      return run<2, F, T>(call, step);
    default:
      return run<3, F, T>(call, step);
  }
}

template <class F>
void update(const Call& call) {
  if (call.out[0].dtype() == DType::f64) update_as<F, double>(call);
  else update_as<F, float>(call);
}

}  // namespace

void list_optimizer(KernelList& out) {
  using namespace vmath::fn;
  const NamedKernel all[] = {{SGDUpdate::name, update<SGDUpdate>},
                             {AdamUpdate::name, update<AdamUpdate>},
                             {RMSpropUpdate::name, update<RMSpropUpdate>},
                             {AdagradUpdate::name, update<AdagradUpdate>}};
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
