#include <tapir/ops/cross_entropy.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/softmax.h>
#include <tapir/ops/tile.h>

#include <fmt/format.h>

namespace tapir {
namespace {

Shape without_last(const Shape& s) { return s.first(s.rank() - 1); }
Tensor column(const Tensor& dy) { return expand_dims(dy, -1); }

void check_floating(const char* op, const Tensor& logits) {
  if (!is_floating(logits.dtype()))
    throw DTypeError(fmt::format("{}: logits must be floating, got {}. Cast them first: x.astype(DType::f32).", op,
                                 name_of(logits.dtype())));
}

void check_like(const char* op, const Tensor& labels, const Tensor& logits) {
  check_floating(op, logits);
  if (labels.dtype() != logits.dtype())
    throw DTypeError(fmt::format("{}: labels are {} but logits are {}. Cast one side: labels.astype(DType::{}).", op,
                                 name_of(labels.dtype()), name_of(logits.dtype()), name_of(logits.dtype())));
  if (!(labels.shape() == logits.shape()))
    throw ShapeError(
        fmt::format("{}: labels have shape {} but logits {}.", op, labels.shape().str(), logits.shape().str()));
}

// (dy, labels, logits) -> d logits
Tensor dense_text(Inputs in, const void*) {
  Tensor total = sum(in[1], {.axis = -1, .keepdims = true});
  return (softmax(in[2]) * total - in[1]) * column(in[0]);
}
Tensor sparse_text(Inputs in, const void*) {
  Tensor classes = arange(in[2].shape().back());
  Tensor hot = astype(column(astype(in[1], DType::i64)) == classes, in[2].dtype());
  return (softmax(in[2]) - hot) * column(in[0]);
}

const OpDef dense_grad_op = {
    .name = "softmax_cross_entropy_with_logits_grad",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[2].shape(), in[2].dtype()});
        },
    .kernel = {cpu::softmax_cross_entropy_grad},
    .gradient = [](const Node& n, std::span<const Tensor> dy) { return pullback(dense_text, n, dy[0]); },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
};

const OpDef dense_op = {
    .name = "softmax_cross_entropy_with_logits",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({without_last(in[1].shape()), in[1].dtype()});
        },
    .kernel = {cpu::softmax_cross_entropy},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      Tensors dx(2);
      if (n.wants(0)) dx[0] = -(log_softmax(n.in(1)) * column(dy[0]));
      if (n.wants(1)) dx[1] = apply(dense_grad_op, {dy[0], n.in(0), n.in(1)}, {}, Where::current());
      return dx;
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
};

const OpDef sparse_grad_op = {
    .name = "sparse_softmax_cross_entropy_with_logits_grad",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[2].shape(), in[2].dtype()});
        },
    .kernel = {cpu::sparse_softmax_cross_entropy_grad},
    .gradient = [](const Node& n, std::span<const Tensor> dy) { return pullback(sparse_text, n, dy[0]); },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
};

const OpDef sparse_op = {
    .name = "sparse_softmax_cross_entropy_with_logits",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[1].dtype()});
        },
    .kernel = {cpu::sparse_softmax_cross_entropy},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {Tensor(), apply(sparse_grad_op, {dy[0], n.in(0), n.in(1)}, {}, Where::current())};
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
};

const OpDef sigmoid_op = {
    .name = "sigmoid_cross_entropy_with_logits",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[1].shape(), in[1].dtype()});
        },
    .kernel = {cpu::sigmoid_cross_entropy},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      Tensors dx(2);
      if (n.wants(0)) dx[0] = -(n.in(1) * dy[0]);
      if (n.wants(1)) dx[1] = (sigmoid(n.in(1)) - n.in(0)) * dy[0];
      return dx;
    },
    .saves = Saves::inputs,
    .needs_contiguous = true,
    .half_via_f32 = true,
};

}  // namespace

Tensor softmax_cross_entropy_with_logits(const Tensor& labels, const Tensor& logits, std::int64_t axis, Where w) {
  CallSite site(w);
  check_like(dense_op.name, labels, logits);
  if (logits.rank() == 0) throw ShapeError(fmt::format("{}: logits need a class axis, got [].", dense_op.name));
  int i = check_axis(dense_op.name, axis, logits.rank());
  if (i == logits.rank() - 1) return apply(dense_op, {labels, logits}, {}, w);
  return apply(dense_op, {moveaxis(labels, i, -1), moveaxis(logits, i, -1)}, {}, w);
}

Tensor sparse_softmax_cross_entropy_with_logits(const Tensor& labels, const Tensor& logits, Where w) {
  CallSite site(w);
  const char* op = sparse_op.name;
  check_floating(op, logits);
  if (!is_integer(labels.dtype()))
    throw DTypeError(
        fmt::format("{}: labels must be integers, got {}. Cast them: labels.astype(DType::i32), or use "
                    "softmax_cross_entropy_with_logits.",
                    op, name_of(labels.dtype())));
  if (logits.rank() == 0 || !(labels.shape() == without_last(logits.shape())))
    throw ShapeError(fmt::format("{}: labels must have the shape of logits without the last axis, got {} and {}.", op,
                                 labels.shape().str(), logits.shape().str()));
  return apply(sparse_op, {labels, logits}, {}, w);
}

Tensor sigmoid_cross_entropy_with_logits(const Tensor& labels, const Tensor& logits, Where w) {
  CallSite site(w);
  check_like(sigmoid_op.name, labels, logits);
  return apply(sigmoid_op, {labels, logits}, {}, w);
}

void list_cross_entropy(std::vector<const OpDef*>& out) {
  for (auto* o : {&dense_op, &dense_grad_op, &sparse_op, &sparse_grad_op, &sigmoid_op}) out.push_back(o);
}

}  // namespace tapir
