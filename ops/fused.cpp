#include <tapir/ops/fused.h>

namespace tapir {
namespace {

template <class A>
void infer_sinks(Inputs, Attrs attrs, Specs& out) {
  const TileProgram& p = *attrs.as<ThenAttrs<A>>().then.program;
  for (int k = 0; k < p.sinks; ++k) out.push_back({p.sink[k].shape, p.dtype_of(p.sink[k].reg)});
}

}  // namespace

const OpDef conv_then_op = {
    .name = "conv_then",
    .infer = infer_sinks<ConvAttrs>,
    .kernel = {cpu::conv_then},
    .needs_contiguous = true,
    .attrs = &attrs_type<ConvThenAttrs>,
};

}  // namespace tapir
