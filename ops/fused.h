// Rows that function() puts in place of an op and the elementwise ops that follow it: "op_then". Not in the table, for
// nobody else calls them.
#pragma once
#include <tapir/ops/conv_attrs.h>
#include <tapir/ops/tile_program.h>

namespace tapir {

/// The op's attributes, and a program whose input 0 is the op's result and whose others follow the op's inputs.
template <class A>
struct ThenAttrs {
  A op;
  TileProgramAttrs then;
  template <class V>
  void visit(V&& v) {
    op.visit(v), then.visit(v);
  }
};
using ConvThenAttrs = ThenAttrs<ConvAttrs>;

extern const OpDef conv_then_op;

namespace cpu {
void conv_then(const Call& call);
}

}  // namespace tapir
