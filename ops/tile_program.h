// A tile program: several elementwise ops, and sums of what they give, run over blocks that stay in the L1 cache, so
// that values between the ops never reach memory. One elementwise op is a program of one step; function() makes longer
// ones.
#pragma once
#include <tapir/ops/tile.h>

namespace tapir {

/// Registers are numbered: first the sources, then one a step.
struct TileProgram {
  static constexpr int max_sources = 24, max_steps = 40, max_sinks = 8;

  struct Source {
    std::uint8_t input;  // of the call; broadcast to `shape`
    DType to;            // converted to this
  };
  struct Step {
    const OpDef* op;      // an elementwise row; or a cast, which has no tile
    const void* functor;  // its attributes
    DType compute;        // for a cast: to this
    DType rounds;  // f16, bf16: the result is rounded to it, as the op alone would, and the register is f32; else
                   // `compute`
    std::uint8_t in[max_tile_inputs];
    std::uint8_t slot;  // where its result is kept; none if a sink stores it
  };
  struct Sink {
    std::uint8_t reg;
    bool sum;     // it is summed; else stored
    Shape shape;  // of the result
  };
  static constexpr std::uint8_t no_slot = 255;

  Shape shape;  // of every step
  int sources = 0, steps = 0, sinks = 0, slots = 0;
  /// Sums see the shape as [outer, inner]: over the inner part or over the outer one.
  enum class Sum : std::uint8_t { none, over_inner, over_outer } sum = Sum::none;
  std::int64_t outer = 1, inner = 1;
  Source source[max_sources];
  Step step[max_steps];
  Sink sink[max_sinks];

  DType dtype_of(int reg) const {
    if (reg < sources) return source[reg].to;
    const Step& s = step[reg - sources];
    return s.op->tile && s.op->tile->bool_result ? DType::boolean : s.compute;
  }
  /// What a sink of this register stores.
  DType stored_dtype(int reg) const {
    const DType half = reg < sources ? dtype_of(reg) : step[reg - sources].rounds;
    return is_half(half) ? half : dtype_of(reg);
  }
  /// Operands of a step.
  int arity(int s) const { return step[s].op->tile ? step[s].op->tile->arity : 1; }
  /// The names of the steps, for people: "multiply, add, relu".
  std::string text() const;
  /// Makes one step of two where there is such a pair and nobody else reads what is between them.
  void join_pairs();
  /// Is `input`, a dense tensor of this shape, read for the last time before sink `k` is written, tile by tile?
  bool may_overwrite(int input, int k) const;
};

/// Two rows in one, which join_pairs() puts in their place.
struct TilePair {
  const OpDef *first, *second, *both;
  int at;  // the operand of `second` that `first` gives
  bool either;
};
/// Null if `op` is none.
const TilePair* tile_pair(const OpDef* op);

namespace cpu {
/// Runs `p`; `out` has one tensor a sink. A sink of f16 or bf16 takes f32 registers, as do sources.
void run_tiles(const TileProgram& p, Inputs in, std::span<const Tensor> out);
void tile_program(const Call& call);
}  // namespace cpu

/// A program as a row: function() puts it in place of the ops. Not in the table, for nobody else calls it.
extern const OpDef tile_program_op;

/// `program` lives in the node that has these attributes.
struct TileProgramAttrs {
  const TileProgram* program = nullptr;
  std::int64_t number = 0;  // tells programs apart
  template <class V>
  void visit(V&& v) {
    v("number", number);
  }
};

}  // namespace tapir
