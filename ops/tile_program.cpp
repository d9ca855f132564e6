#include <tapir/ops/tile_program.h>

namespace tapir {

bool TileProgram::may_overwrite(int input, int k) const {
  if (sink[k].sum || !(sink[k].shape == shape)) return false;
  const int writer = sink[k].reg - sources;
  for (int s = writer + 1; s < steps; ++s)
    for (int i = 0; i < (step[s].op->tile ? step[s].op->tile->arity : 1); ++i)
      if (step[s].in[i] < sources && source[step[s].in[i]].input == input) return false;
  return true;
}

const OpDef tile_program_op = {
    .name = "fused",
    .infer = [](Inputs, Attrs attrs, Specs& out) {
      const TileProgram& p = *attrs.as<TileProgramAttrs>().program;
      for (int k = 0; k < p.sinks; ++k) out.push_back({p.sink[k].shape, p.stored_dtype(p.sink[k].reg)});
    },
    .kernel = {cpu::tile_program},
    .attrs = &attrs_type<TileProgramAttrs>,
};

}  // namespace tapir
