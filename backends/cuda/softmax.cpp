// Softmax, its relatives and the cross entropies: two sums of each row by `fold` (the largest, then the exponentials),
// then one launch over what is written.
#include <tapir/backends/cuda/copy.h>
#include <tapir/backends/cuda/fault.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/ops/reduce_attrs.h>

#include <math.h>  // float overloads in the global namespace

#include <limits>

namespace tapir::cuda {
namespace {

template <class F>
void dispatch(DType d, F&& f) {
  if (d == DType::f64) f(double{});
  else f(float{});
}

// Rows along one axis: [outer, n, inner].
struct Along {
  std::int64_t n, inner, rows;
  explicit Along(const AroundAxis& a) : n(a.n), inner(a.inner), rows(a.outer * a.inner) {}
  TAPIR_HD std::int64_t place(std::int64_t row, std::int64_t k) const {
    return (row / inner * n + k) * inner + row % inner;
  }
  TAPIR_HD std::int64_t row_of(std::int64_t i) const { return i / (n * inner) * inner + i % inner; }
  std::int64_t size() const { return rows * n; }
};

// What is known of a row.
struct RowState {
  double top, sum;
};

template <class T>
struct FoldTop {
  using Acc = T;
  Along a;
  const T* x;
  RowState* rows;
  TAPIR_HD Acc start() const { return -std::numeric_limits<T>::infinity(); }
  TAPIR_HD void take(Acc& m, std::int64_t r, std::int64_t k) const { join(m, x[a.place(r, k)]); }
  TAPIR_HD void join(Acc& m, const Acc& v) const {
    if (m == m && (v != v || v > m)) m = v;
  }
  TAPIR_HD void give(std::int64_t r, const Acc& m) const { rows[r].top = m; }
};
template <class T>
struct FoldExp {
  using Acc = double;
  Along a;
  const T* x;
  RowState* rows;
  TAPIR_HD Acc start() const { return 0; }
  TAPIR_HD void take(Acc& s, std::int64_t r, std::int64_t k) const {
    s += double(::exp(T(x[a.place(r, k)] - T(rows[r].top))));
  }
  TAPIR_HD void join(Acc& s, const Acc& b) const { s += b; }
  TAPIR_HD void give(std::int64_t r, const Acc& s) const { rows[r].sum = s; }
};
template <class T>
void know_rows(const Along& a, const T* x, RowState* rows) {
  fold(a.rows, a.n, FoldTop<T>{a, x, rows});
  fold(a.rows, a.n, FoldExp<T>{a, x, rows});
}

struct States {
  Scratch memory;
  explicit States(std::int64_t rows) : memory(std::size_t(rows) * sizeof(RowState)) {}
  RowState* data() const { return static_cast<RowState*>(memory.data()); }
};

enum class Softmax { plain, log };
template <class T, Softmax kind>
struct SoftmaxEach {
  Along a;
  const T* x;
  const RowState* rows;
  T* y;
  TAPIR_HD void operator()(std::int64_t i) const {
    const RowState& r = rows[a.row_of(i)];
    const T d = x[i] - T(r.top);
    y[i] = kind == Softmax::log ? d - T(::log(r.sum)) : T(double(::exp(d)) / r.sum);
  }
};
template <class T>
struct LogSumExp {
  const RowState* rows;
  T* y;
  TAPIR_HD void operator()(std::int64_t r) const {
    const double top = rows[r].top;
    const bool finite = top - top == 0;
    y[r] = T(finite ? top + ::log(rows[r].sum) : top);
  }
};

Along along(const Call& call) { return Along(AroundAxis(call.in[0].shape(), call.attrs.as<AxisAttrs>().axis)); }

template <Softmax kind>
void softmax(const Call& call) {
  const Along a = along(call);
  const States states(a.rows);
  dispatch(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    know_rows(a, call.in[0].data<T>(), states.data());
    launch(a.size(), SoftmaxEach<T, kind>{a, call.in[0].data<T>(), states.data(), call.out[0].mutable_data<T>()});
  });
}
void logsumexp(const Call& call) {
  const Along a = along(call);
  const States states(a.rows);
  dispatch(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    know_rows(a, call.in[0].data<T>(), states.data());
    launch(a.rows, LogSumExp<T>{states.data(), call.out[0].mutable_data<T>()});
  });
}

// sum(y dy) of a row for softmax, sum(dy) for log_softmax.
template <class T, Softmax kind>
struct FoldDot {
  using Acc = double;
  Along a;
  const T *y, *dy;
  double* sums;
  TAPIR_HD Acc start() const { return 0; }
  TAPIR_HD void take(Acc& s, std::int64_t r, std::int64_t k) const {
    const std::int64_t i = a.place(r, k);
    s += kind == Softmax::plain ? double(y[i]) * double(dy[i]) : double(dy[i]);
  }
  TAPIR_HD void join(Acc& s, const Acc& b) const { s += b; }
  TAPIR_HD void give(std::int64_t r, const Acc& s) const { sums[r] = s; }
};
template <class T, Softmax kind>
struct SoftmaxGradEach {
  Along a;
  const T *y, *dy;
  const double* sums;
  T* dx;
  TAPIR_HD void operator()(std::int64_t i) const {
    const T s = T(sums[a.row_of(i)]);
    dx[i] = kind == Softmax::plain ? y[i] * (dy[i] - s) : dy[i] - ::exp(y[i]) * s;
  }
};

template <Softmax kind>
void softmax_grad(const Call& call) {
  const Along a = along(call);
  Scratch memory(std::size_t(a.rows) * sizeof(double));
  auto* sums = static_cast<double*>(memory.data());
  dispatch(call.in[0].dtype(), [&](auto t) {
    using T = decltype(t);
    const T *y = call.in[0].data<T>(), *dy = call.in[1].data<T>();
    fold(a.rows, a.n, FoldDot<T, kind>{a, y, dy, sums});
    launch(a.size(), SoftmaxGradEach<T, kind>{a, y, dy, sums, call.out[0].mutable_data<T>()});
  });
}

// Cross entropies are over the last axis.
Along last_axis(const Tensor& logits) { return Along(AroundAxis(logits.shape(), logits.rank() - 1)); }

// A label of any dtype as a class; 0 and a fault for others.
struct Labels {
  const void* data;
  DType dtype;
  std::int64_t classes;
  Fault* word;
  const char* op;
  explicit Labels(const Tensor& t, std::int64_t n)
      : data(t.data<char>()),
        dtype(t.dtype()),
        classes(n),
        word(fault_word()),
        op("sparse_softmax_cross_entropy_with_logits") {}
  TAPIR_HD std::int64_t get(std::int64_t r) const {
    std::int64_t l = 0;
    switch (dtype) {
      case DType::i8:
        l = static_cast<const std::int8_t*>(data)[r];
        break;
      case DType::u8:
        l = static_cast<const std::uint8_t*>(data)[r];
        break;
      case DType::i16:
        l = static_cast<const std::int16_t*>(data)[r];
        break;
      case DType::i32:
        l = static_cast<const std::int32_t*>(data)[r];
        break;
      default:
        l = static_cast<const std::int64_t*>(data)[r];
    }
    if (l >= 0 && l < classes) return l;
    report(word, Fault::label, op, l, classes);
    return 0;
  }
};

template <class T>
struct SparseLoss {
  Labels labels;
  const T* x;
  const RowState* rows;
  std::int64_t n;
  T* loss;
  TAPIR_HD void operator()(std::int64_t r) const {
    const std::int64_t label = labels.get(r);
    loss[r] = n ? T(::log(rows[r].sum)) + (T(rows[r].top) - x[r * n + label]) : T(0);
  }
};
template <class T>
struct SparseGrad {
  Labels labels;
  const T *dy, *x;
  const RowState* rows;
  std::int64_t n;
  T* dx;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t r = i / n;
    const T p = T(double(::exp(T(x[i] - T(rows[r].top)))) / rows[r].sum);
    dx[i] = dy[r] * p - (labels.get(r) == i % n ? dy[r] : T(0));
  }
};

void sparse_loss(const Call& call) {
  const Tensor& x = call.in[1];
  const Along a = last_axis(x);
  const States states(a.rows);
  dispatch(x.dtype(), [&](auto t) {
    using T = decltype(t);
    know_rows(a, x.data<T>(), states.data());
    launch(a.rows,
           SparseLoss<T>{Labels(call.in[0], a.n), x.data<T>(), states.data(), a.n, call.out[0].mutable_data<T>()});
  });
}
void sparse_grad(const Call& call) {
  const Tensor& x = call.in[2];
  const Along a = last_axis(x);
  const States states(a.rows);
  dispatch(x.dtype(), [&](auto t) {
    using T = decltype(t);
    know_rows(a, x.data<T>(), states.data());
    launch(a.size(), SparseGrad<T>{Labels(call.in[1], a.n), call.in[0].data<T>(), x.data<T>(), states.data(), a.n,
                                   call.out[0].mutable_data<T>()});
  });
}

// Labels of zero take no part, whatever the logit.
template <class T>
struct FoldDense {
  using Acc = double;
  Along a;
  const T *labels, *x;
  const RowState* rows;
  T* loss;
  TAPIR_HD Acc start() const { return 0; }
  TAPIR_HD void take(Acc& s, std::int64_t r, std::int64_t k) const {
    const std::int64_t i = a.place(r, k);
    if (labels[i] != T(0)) s += double(labels[i]) * (::log(rows[r].sum) - (double(x[i]) - rows[r].top));
  }
  TAPIR_HD void join(Acc& s, const Acc& b) const { s += b; }
  TAPIR_HD void give(std::int64_t r, const Acc& s) const { loss[r] = T(rows[r].sum == rows[r].sum ? s : rows[r].sum); }
};
template <class T>
struct FoldLabels {
  using Acc = double;
  Along a;
  const T* labels;
  double* totals;
  TAPIR_HD Acc start() const { return 0; }
  TAPIR_HD void take(Acc& s, std::int64_t r, std::int64_t k) const { s += double(labels[a.place(r, k)]); }
  TAPIR_HD void join(Acc& s, const Acc& b) const { s += b; }
  TAPIR_HD void give(std::int64_t r, const Acc& s) const { totals[r] = s; }
};
template <class T>
struct DenseGrad {
  const T *dy, *labels, *x;
  const RowState* rows;
  const double* totals;
  std::int64_t n;
  T* dx;
  TAPIR_HD void operator()(std::int64_t i) const {
    const std::int64_t r = i / n;
    const T p = T(double(::exp(T(x[i] - T(rows[r].top)))) * (totals[r] / rows[r].sum));
    dx[i] = (p - labels[i]) * dy[r];
  }
};

void dense_loss(const Call& call) {
  const Tensor& x = call.in[1];
  const Along a = last_axis(x);
  const States states(call.out[0].size());
  if (a.n == 0)
    return clear(call.out[0].mutable_data<char>(), std::size_t(call.out[0].size()) * size_of(call.out[0].dtype()));
  dispatch(x.dtype(), [&](auto t) {
    using T = decltype(t);
    know_rows(a, x.data<T>(), states.data());
    fold(a.rows, a.n, FoldDense<T>{a, call.in[0].data<T>(), x.data<T>(), states.data(), call.out[0].mutable_data<T>()});
  });
}
void dense_grad(const Call& call) {
  const Tensor& x = call.in[2];
  const Along a = last_axis(x);
  const States states(a.rows);
  Scratch memory(std::size_t(a.rows) * sizeof(double));
  auto* totals = static_cast<double*>(memory.data());
  dispatch(x.dtype(), [&](auto t) {
    using T = decltype(t);
    know_rows(a, x.data<T>(), states.data());
    fold(a.rows, a.n, FoldLabels<T>{a, call.in[1].data<T>(), totals});
    launch(a.size(), DenseGrad<T>{call.in[0].data<T>(), call.in[1].data<T>(), x.data<T>(), states.data(), totals, a.n,
                                  call.out[0].mutable_data<T>()});
  });
}

template <class T>
struct SigmoidLoss {
  const T *labels, *x;
  T* loss;
  TAPIR_HD void operator()(std::int64_t i) const {
    const T v = x[i], tail = ::log1p(::exp(-::fabs(v)));
    loss[i] = (v > T(0) || v != v ? v : T(0)) - v * labels[i] + tail;
  }
};
void sigmoid_loss(const Call& call) {
  dispatch(call.out[0].dtype(), [&](auto t) {
    using T = decltype(t);
    launch(call.out[0].size(),
           SigmoidLoss<T>{call.in[0].data<T>(), call.in[1].data<T>(), call.out[0].mutable_data<T>()});
  });
}

}  // namespace

void list_softmax(KernelList& out) {
  const NamedKernel all[] = {
      {"softmax", softmax<Softmax::plain>},
      {"softmax_grad", softmax_grad<Softmax::plain>},
      {"log_softmax", softmax<Softmax::log>},
      {"log_softmax_grad", softmax_grad<Softmax::log>},
      {"logsumexp", logsumexp},
      {"softmax_cross_entropy_with_logits", dense_loss},
      {"softmax_cross_entropy_with_logits_grad", dense_grad},
      {"sparse_softmax_cross_entropy_with_logits", sparse_loss},
      {"sparse_softmax_cross_entropy_with_logits_grad", sparse_grad},
      {"sigmoid_cross_entropy_with_logits", sigmoid_loss},
  };
  out.insert(out.end(), std::begin(all), std::end(all));
}

}  // namespace tapir::cuda
