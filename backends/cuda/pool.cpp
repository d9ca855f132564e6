// Pooling of [N, D, H, W, C]: a thread for each element that is written. Gradients are gathered from the windows that
// an element is in, so nothing is added by several threads.
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/ops/pool_attrs.h>

namespace tapir::cuda {
namespace {

struct Geometry {
  std::int64_t input[3], size[3], stride[3], before[3], output[3], channels;
  explicit Geometry(const Call& call) : channels(call.in[0].shape()[4]) {
    const auto& a = call.attrs.as<PoolAttrs>();
    for (int d = 0; d < 3; ++d) {
      input[d] = a.input[d], size[d] = a.size[d], stride[d] = a.strides[d];
      before[d] = a.before[d], output[d] = a.output[d];
    }
  }
  struct Window {
    std::int64_t base, from[3], to[3], first[3];  // of x's image and channel; inside of the image; where it starts
    TAPIR_HD std::int64_t count() const { return (to[0] - from[0]) * (to[1] - from[1]) * (to[2] - from[2]); }
  };
  TAPIR_HD Window window(std::int64_t i) const {  // of element i of the output
    Window w;
    std::int64_t rest = i / channels;
    for (int d = 2; d >= 0; --d) {
      w.first[d] = rest % output[d] * stride[d] - before[d], rest /= output[d];
      w.from[d] = w.first[d] < 0 ? -w.first[d] : 0;
      w.to[d] = input[d] - w.first[d] < size[d] ? input[d] - w.first[d] : size[d];
    }
    w.base = rest * input[0] * input[1] * input[2] * channels + i % channels;
    return w;
  }
  // f(place in x, number in the window) for the elements of a window that are inside.
  template <class F>
  TAPIR_HD void each(const Window& w, F&& f) const {
    for (std::int64_t a = w.from[0]; a < w.to[0]; ++a)
      for (std::int64_t b = w.from[1]; b < w.to[1]; ++b)
        for (std::int64_t c = w.from[2]; c < w.to[2]; ++c)
          f(w.base + (((w.first[0] + a) * input[1] + w.first[1] + b) * input[2] + w.first[2] + c) * channels,
            (a * size[1] + b) * size[2] + c);
  }
  // f(element of the output, number of x's element i in its window) for the windows that it is in.
  template <class F>
  TAPIR_HD void each_window(std::int64_t i, F&& f) const {
    std::int64_t at[3], from[3], to[3], rest = i / channels;
    for (int d = 2; d >= 0; --d) {
      at[d] = rest % input[d] + before[d], rest /= input[d];
      from[d] = at[d] < size[d] ? 0 : (at[d] - size[d]) / stride[d] + 1;
      to[d] = at[d] / stride[d] + 1 < output[d] ? at[d] / stride[d] + 1 : output[d];
    }
    for (std::int64_t a = from[0]; a < to[0]; ++a)
      for (std::int64_t b = from[1]; b < to[1]; ++b)
        for (std::int64_t c = from[2]; c < to[2]; ++c)
          f((((rest * output[0] + a) * output[1] + b) * output[2] + c) * channels + i % channels,
            ((at[0] - a * stride[0]) * size[1] + at[1] - b * stride[1]) * size[2] + at[2] - c * stride[2]);
  }
};

struct Winners {
  void* data = nullptr;
  bool wide = false;
  TAPIR_HD std::int64_t get(std::int64_t i) const {
    return wide ? static_cast<const std::int32_t*>(data)[i] : static_cast<const std::uint8_t*>(data)[i];
  }
  TAPIR_HD void set(std::int64_t i, std::int64_t v) const {
    if (!data) return;
    if (wide) static_cast<std::int32_t*>(data)[i] = std::int32_t(v);
    else static_cast<std::uint8_t*>(data)[i] = std::uint8_t(v);
  }
};
Winners winners_in(const Tensor& t) { return {t.mutable_data<char>(), t.dtype() == DType::i32}; }

// The first of equals wins, and NaN over all others.
template <class T>
struct MaxPool {
  Geometry g;
  const T* x;
  T* y;
  Winners winners;
  TAPIR_HD void operator()(std::int64_t i) const {
    T best = T(0);
    std::int64_t winner = -1;
    g.each(g.window(i), [&](std::int64_t at, std::int64_t number) {
      const T v = x[at];
      if (winner >= 0 && (v <= best || best != best)) return;
      best = v, winner = number;
    });
    y[i] = best;
    winners.set(i, winner);
  }
};
template <class T>
struct PickPool {
  Geometry g;
  const T* x;
  T* y;
  Winners winners;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t winner = winners.get(i);
    g.each(g.window(i), [&](std::int64_t at, std::int64_t number) {
      if (number == winner) y[i] = x[at];
    });
  }
};
template <class T>
struct MaxPoolGrad {
  Geometry g;
  const T* dy;
  T* dx;
  Winners winners;
  TAPIR_HD void operator()(std::int64_t i) const {
    T sum = T(0);
    g.each_window(i, [&](std::int64_t at, std::int64_t number) {
      if (winners.get(at) == number) sum += dy[at];
    });
    dx[i] = sum;
  }
};
template <class T>
struct AvgPool {
  Geometry g;
  const T* x;
  T* y;
  TAPIR_HD void operator()(std::int64_t i) const {
    T sum = T(0);
    const auto window = g.window(i);
    g.each(window, [&](std::int64_t at, std::int64_t) { sum += x[at]; });
    y[i] = sum / T(window.count());
  }
};
template <class T>
struct AvgPoolGrad {
  Geometry g;
  const T* dy;
  T* dx;
  TAPIR_HD void operator()(std::int64_t i) const {
    T sum = T(0);
    g.each_window(i, [&](std::int64_t at, std::int64_t) { sum += dy[at] / T(g.window(at).count()); });
    dx[i] = sum;
  }
};

template <class F>
void dispatch(const Call& call, F&& f) {
  if (call.out[0].dtype() == DType::f64) f(double{});
  else f(float{});
}
template <template <class> class Pool>
void with_winners(const Call& call, const Winners& winners) {
  dispatch(call, [&](auto t) {
    using T = decltype(t);
    launch(call.out[0].size(), Pool<T>{Geometry(call), call.in[0].data<T>(), call.out[0].mutable_data<T>(), winners});
  });
}
template <template <class> class Pool>
void average(const Call& call) {
  dispatch(call, [&](auto t) {
    using T = decltype(t);
    launch(call.out[0].size(), Pool<T>{Geometry(call), call.in[0].data<T>(), call.out[0].mutable_data<T>()});
  });
}

void max_pool(const Call& call) {
  with_winners<MaxPool>(call, call.out.size() > 1 ? winners_in(call.out[1]) : Winners());
}
void max_pool_pick(const Call& call) { with_winners<PickPool>(call, winners_in(call.in[1])); }
void max_pool_grad(const Call& call) { with_winners<MaxPoolGrad>(call, winners_in(call.in[1])); }

}  // namespace

void list_pool(KernelList& out) {
  const NamedKernel all[] = {{"max_pool", max_pool},
                             {"max_pool_pick", max_pool_pick},
                             {"max_pool_grad", max_pool_grad},
                             {"avg_pool", average<AvgPool>},
                             {"avg_pool_grad", average<AvgPoolGrad>}};
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
