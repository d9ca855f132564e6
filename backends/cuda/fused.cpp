// Tile programs of traced functions: one kernel each, compiled at run time (fused_launch.h). Where that cannot be, the
// kernels of the ops alone, step by step: results are right, nothing is saved.
#include <tapir/backends/cuda/cast.h>
#include <tapir/backends/cuda/fused_launch.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/ops/fused.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

namespace tapir::cuda {
namespace {

struct Interpreter {
  const TileProgram& p;
  Device device;
  std::vector<Tensor> registers;

  Tensor cast_to(const Tensor& t, DType dtype) const { return as_dtype(t, dtype, device); }
  // As the op alone would give it: a register of a half is f32 with the values of the half.
  Tensor rounded(const Tensor& t, DType half) const { return is_half(half) ? cast_to(cast_to(t, half), t.dtype()) : t; }

  Tensor apply_row(const OpDef& op, std::span<const Tensor> in, const void* functor, DType dtype) const {
    Tensor out = Tensor::empty(p.shape, dtype, device);
    const auto refs = refs_of(in);
    if (out.size()) kernel_for(op, device)({op, Inputs(refs), {&out, 1}, Attrs(functor, op.attrs)});
    return out;
  }

  Tensor run_step(const TileProgram::Step& s, int arity) const {
    std::vector<Tensor> in;
    for (int i = 0; i < arity; ++i) in.push_back(registers[s.in[i]]);
    if (!s.op->tile) return rounded(cast_to(in[0], s.compute), s.rounds);
    if (const TilePair* pair = tile_pair(s.op)) {  // two ops in one, for the CPU's sake
      const auto n = std::size_t(pair->first->tile->arity);
      Tensor middle = apply_row(*pair->first, std::span(in).first(n), nullptr, s.compute);
      std::vector<Tensor> next = {middle};
      if (in.size() > n) next.insert(pair->at ? next.begin() : next.end(), in[n]);
      return rounded(apply_row(*pair->second, next, nullptr, s.compute), s.rounds);
    }
    return rounded(apply_row(*s.op, in, s.functor, s.op->tile->bool_result ? DType::boolean : s.compute), s.rounds);
  }

  void give(const TileProgram::Sink& sink, const Tensor& out) const {
    Tensor t = registers[sink.reg];
    if (!(t.shape() == p.shape)) t = broadcast_to(t, p.shape);
    if (!sink.sum) return cast_into(t, out);
    Tensor dense = contiguous(t);
    Tensor total = sum(reshape(dense, {p.outer, p.inner}), {.axis = p.sum == TileProgram::Sum::over_inner ? 1 : 0});
    cast_into(reshape(total, out.shape()), out);
  }
};

// `first`: the inputs of the program.
void run(const TileProgram& p, std::span<const Tensor> in, std::span<const Tensor> out) {
  Recorder* hidden = std::exchange(recorder(), nullptr);  // what follows is not part of the user's program
  struct Restore {
    Recorder* r;
    ~Restore() { recorder() = r; }
  } restore{hidden};
  Interpreter i{p, out[0].device(), {}};
  for (int k = 0; k < p.sources; ++k) i.registers.push_back(i.cast_to(in[p.source[k].input], p.source[k].to));
  for (int k = 0; k < p.steps; ++k) i.registers.push_back(i.run_step(p.step[k], p.arity(k)));
  for (int k = 0; k < p.sinks; ++k) i.give(p.sink[k], out[std::size_t(k)]);
}

template <class T>
struct JoinSums {
  const double* partial;
  std::int64_t parts, results;
  T* out;
  TAPIR_HD void operator()(std::int64_t r) const {
    double sum = 0;
    for (std::int64_t k = 0; k < parts; ++k) sum += partial[k * results + r];
    out[r] = T(sum);
  }
};

void finish(const SumsToFinish::Sum& s, const SumsToFinish& of) {
  const auto* partial = static_cast<const double*>(s.partial->data());
  if (s.out->dtype() == DType::f64) {
    launch(of.results, JoinSums<double>{partial, of.parts, of.results, s.out->mutable_data<double>()});
  } else {
    launch(of.results, JoinSums<float>{partial, of.parts, of.results, s.out->mutable_data<float>()});
  }
}

void tile_program(const Call& call) {
  std::vector<Tensor> in;
  for (std::size_t k = 0; k < call.in.size(); ++k) in.push_back(call.in[k]);
  const auto& a = call.attrs.as<TileProgramAttrs>();
  SumsToFinish sums;
  if (!launch_program(a, in, call.out, sums)) return run(*a.program, in, call.out);
  for (const SumsToFinish::Sum& s : sums.all) finish(s, sums);
}

}  // namespace

void list_fused(KernelList& out) { out.push_back({"fused", tile_program}); }

}  // namespace tapir::cuda
