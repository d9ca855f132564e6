#include <tapir/ops/fused.h>

namespace tapir {
namespace {

template <class A>
void infer_sinks(Inputs, Attrs attrs, Specs& out) {
  const TileProgram& p = *attrs.as<ThenAttrs<A>>().then.program;
  for (int k = 0; k < p.sinks; ++k) out.push_back({p.sink[k].shape, p.stored_dtype(p.sink[k].reg)});
}

}  // namespace

const OpDef conv_then_op = {
    .name = "conv_then",
    .infer = infer_sinks<ConvAttrs>,
    .kernel = {cpu::conv_then},
    .needs_contiguous = true,
    .attrs = &attrs_type<ConvThenAttrs>,
    .flops = [](const Call& c) { return conv_flops(c.in[0].shape(), c.in[1].shape(), c.attrs.as<ConvThenAttrs>().op); },
};

const OpDef matmul_then_op = {
    .name = "matmul_then",
    .infer = infer_sinks<MatmulAttrs>,
    .kernel = {cpu::matmul_then},
    .attrs = &attrs_type<MatmulThenAttrs>,
    .flops =
        [](const Call& c) { return matmul_flops(c.in[0].shape(), c.in[1].shape(), c.attrs.as<MatmulThenAttrs>().op); },
};

}  // namespace tapir
