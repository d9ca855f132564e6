#include <tapir/ops/dropout.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/random.h>
#include <tapir/ops/random_attrs.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

namespace tapir {
namespace {

// in: x, key. The mask is drawn from the key again in the gradient. The row saves nothing: the key, 16 bytes, lives in
// its header and is at hand anyway.
const OpDef dropout_op = {
    .name = "dropout",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .kernel = {cpu::dropout},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(*n.op, {dy[0], n.in(1)}, n.attrs, Where::current()), Tensor()};
    },
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<DropoutAttrs>,
};

}  // namespace

Tensor dropout(const Tensor& x, double rate, DropoutOptions o, Where w) {
  CallSite site(w);
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("dropout: needs a floating dtype, got {}. Cast it first: x.astype(DType::f32).",
                                 name_of(x.dtype())));
  if (!(rate >= 0 && rate < 1)) throw UsageError(fmt::format("dropout: rate must be in [0, 1), got {}.", rate));
  if (o.key.defined() && (o.key.shape() != Shape({2}) || o.key.dtype() != DType::i64))
    throw UsageError(fmt::format("dropout: a key is i64 [2], got {} {}.", name_of(o.key.dtype()), o.key.shape().str()));
  if (rate == 0) return x;
  DeviceScope there(x.device());
  return apply(dropout_op, {x, o.key.defined() ? o.key : random::key(o.seed, w)}, DropoutAttrs{rate}, w);
}

void list_dropout(std::vector<const OpDef*>& out) { out.push_back(&dropout_op); }

}  // namespace tapir
