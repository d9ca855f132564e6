// Runs one elementwise op: dense operands of one dtype go straight to its tile, others through a program of one step.
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/tile_program.h>

#include <algorithm>

namespace tapir::cpu {

void elementwise(const Call& call) {
  const TileOp& op = *call.op.tile;
  const Tensor& out = call.out[0];
  DType compute = op.bool_result ? compute_dtype(call.op, call.in) : out.dtype();
  if (is_half(compute)) compute = DType::f32;
  const std::int64_t n = out.size();
  bool dense = !is_half(out.dtype());
  for (int i = 0; i < op.arity; ++i) {
    const Tensor& t = call.in[std::size_t(i)];
    dense &= t.dtype() == (i == 0 && op.first_is_bool ? DType::boolean : compute) && t.size() == n && t.is_contiguous();
  }
  const TileFn tile = op.isa[int(isa())]->by_dtype[int(compute)];
  if (dense && tile) {
    // Blocks of whole registers: what a lane gives may depend on its neighbours in the sign of a NaN.
    constexpr std::int64_t block = 64;
    parallel_for((n + block - 1) / block, std::max<std::int64_t>(2048, 250'000 / (op.cost + 2)) / block,
                 [&](std::int64_t b, std::int64_t e) {
                   b *= block, e = std::min(n, e * block);
                   const void* p[max_tile_inputs];
                   for (int i = 0; i < op.arity; ++i) {
                     const Tensor& t = call.in[std::size_t(i)];
                     p[i] = t.data<std::byte>() + b * std::int64_t(size_of(t.dtype()));
                   }
                   tile(p, out.mutable_data<std::byte>() + b * std::int64_t(size_of(out.dtype())), e - b,
                        call.attrs.data());
                 });
    return;
  }
  TileProgram program;
  program.shape = out.shape();
  program.sources = op.arity, program.steps = program.sinks = 1;
  TileProgram::Step& step = program.step[0];
  step.op = &call.op, step.functor = call.attrs.data(), step.compute = compute, step.slot = TileProgram::no_slot;
  for (int i = 0; i < op.arity; ++i) {
    program.source[i] = {std::uint8_t(i), i == 0 && op.first_is_bool ? DType::boolean : compute};
    step.in[i] = std::uint8_t(i);
  }
  program.sink[0] = {std::uint8_t(op.arity), false, out.shape()};
  run_tiles(program, call.in, call.out);
}

}  // namespace tapir::cpu
