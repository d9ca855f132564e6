// Cross entropies: labels checked, rows dealt out to threads.
#include <tapir/backends/cpu/cross_entropy_rows.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/kernels.h>

#include <fmt/format.h>

namespace tapir::cpu {
namespace {

constexpr std::int64_t kGrain = 16 << 10;  // elements

template <class F>
void dispatch(const Call& call, F&& f) {
  const CrossEntropyFns& fns = by_isa(&v2::cross_entropy_fns, TAPIR_TOP_ISA >= 3 ? &v3::cross_entropy_fns : nullptr,
                                      TAPIR_TOP_ISA >= 4 ? &v4::cross_entropy_fns : nullptr);
  if (call.out[0].dtype() == DType::f32) f(fns.f32, float{});
  else f(fns.f64, double{});
}

// body(from, to) over the rows of `logits`.
template <class F>
void over_rows(const Tensor& logits, F&& body) {
  const std::int64_t classes = logits.shape().back();
  if (classes) parallel_for(logits.size() / classes, kGrain / classes + 1, body);
}

std::vector<std::int64_t> checked(const Tensor& labels, std::int64_t classes) {
  std::vector<std::int64_t> out(std::size_t(labels.size()));
  visit_dtype(labels.dtype(), [&](auto t) {
    using T = decltype(t);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::int64_t(labels.data<T>()[i]);
  });
  for (auto l : out)
    if (l < 0 || l >= classes)
      throw UsageError(fmt::format("sparse_softmax_cross_entropy_with_logits: label {} is out of range for {} classes.",
                                   l, classes));
  return out;
}

}  // namespace

void sparse_softmax_cross_entropy(const Call& call) {
  const Tensor& x = call.in[1];
  const auto labels = checked(call.in[0], x.shape().back());
  dispatch(call, [&](auto& fns, auto t) {
    using T = decltype(t);
    over_rows(x, [&](std::int64_t from, std::int64_t to) {
      fns.sparse(labels.data(), x.data<T>(), call.out[0].mutable_data<T>(), x.shape().back(), from, to);
    });
  });
}

void sparse_softmax_cross_entropy_grad(const Call& call) {
  const Tensor& x = call.in[2];
  const auto labels = checked(call.in[1], x.shape().back());
  dispatch(call, [&](auto& fns, auto t) {
    using T = decltype(t);
    over_rows(x, [&](std::int64_t from, std::int64_t to) {
      fns.sparse_grad(call.in[0].data<T>(), labels.data(), x.data<T>(), call.out[0].mutable_data<T>(), x.shape().back(),
                      from, to);
    });
  });
}

void softmax_cross_entropy(const Call& call) {
  const Tensor& x = call.in[1];
  dispatch(call, [&](auto& fns, auto t) {
    using T = decltype(t);
    T* loss = call.out[0].mutable_data<T>();
    if (x.size() == 0) std::fill(loss, loss + call.out[0].size(), T(0));  // no classes
    over_rows(x, [&](std::int64_t from, std::int64_t to) {
      fns.dense(call.in[0].data<T>(), x.data<T>(), loss, x.shape().back(), from, to);
    });
  });
}

void softmax_cross_entropy_grad(const Call& call) {
  const Tensor& x = call.in[2];
  dispatch(call, [&](auto& fns, auto t) {
    using T = decltype(t);
    over_rows(x, [&](std::int64_t from, std::int64_t to) {
      fns.dense_grad(call.in[0].data<T>(), call.in[1].data<T>(), x.data<T>(), call.out[0].mutable_data<T>(),
                     x.shape().back(), from, to);
    });
  });
}

void sigmoid_cross_entropy(const Call& call) {
  dispatch(call, [&](auto& fns, auto t) {
    using T = decltype(t);
    parallel_for(call.out[0].size(), kGrain, [&](std::int64_t from, std::int64_t to) {
      fns.sigmoid(call.in[0].data<T>(), call.in[1].data<T>(), call.out[0].mutable_data<T>(), from, to);
    });
  });
}

}  // namespace tapir::cpu
