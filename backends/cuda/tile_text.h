// A tile program as the text of one CUDA kernel: the functors' own texts, called one after the other on registers.
#pragma once
#include <tapir/ops/tile_program.h>

#include <string>

namespace tapir::cuda {

/// How a source is read: the element of the same index, one element for all, by strides, or a C++ number.
enum class Read : std::uint8_t { dense, one, strided, number };

/// What the text depends on besides the program.
struct TileLayout {
  DType from[TileProgram::max_sources];  // of the sources, in memory
  Read read[TileProgram::max_sources];
  int rank = 0;  // of the walk over strided sources
};

/// Empty if a step has no text (then it runs op by op). `attrs`: where each step's functor begins in
/// FusedArgs::functors; -1: it has no fields.
std::string tile_text(const TileProgram& p, const TileLayout& layout, int (&attrs)[TileProgram::max_steps]);

/// "tapir::vmath::fn::Grad<tapir::vmath::fn::Exp>" of the row; null if it has no functor in the texts.
struct FunctorType {
  std::string name;
  int bytes;  // of its fields; 0: none
};
const FunctorType* functor_type(const OpDef& op);

/// All functors, and the frame of a kernel (fused_kernel.h); made by tools/functor_texts.py.
extern const char* const functor_texts;
extern const char* const fused_kernel_text;

}  // namespace tapir::cuda
