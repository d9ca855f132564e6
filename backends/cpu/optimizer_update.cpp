// Optimizer updates: shares the elements out and calls the loop of the machine's instruction set.
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/optimizer_loops.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/optimizer_update.h>

namespace tapir::cpu {
namespace {

template <class F>
const UpdateLoops& loops_of() {
#if TAPIR_TOP_ISA >= 4
  if (isa() == Isa::v4) return v4::Updates<F>::loops;
#endif
#if TAPIR_TOP_ISA >= 3
  if (isa() >= Isa::v3) return v3::Updates<F>::loops;
#endif
  return v2::Updates<F>::loops;
}

template <class F>
void update(const Call& call) {
  const bool single = call.out[0].dtype() == DType::f32;
  const UpdateLoop loop = single ? loops_of<F>().f32 : loops_of<F>().f64;
  const std::size_t n = call.in.size();
  const double rate = call.in[n - 2].item<double>();
  const auto step = call.in[n - 1].item<std::int64_t>();
  const void* in[5] = {};
  void* out[4] = {};
  for (std::size_t i = 0; i < n - 2; ++i) in[i] = call.in[i].data<std::byte>();
  for (std::size_t i = 0; i < call.out.size(); ++i) out[i] = call.out[i].mutable_data<std::byte>();
  parallel_for(call.out[0].size(), 1 << 15,
               [&](std::int64_t begin, std::int64_t end) { loop(call.attrs.data(), rate, step, in, out, begin, end); });
}

}  // namespace

void sgd_update(const Call& call) { update<SGDUpdate>(call); }
void adam_update(const Call& call) { update<AdamUpdate>(call); }
void rmsprop_update(const Call& call) { update<RMSpropUpdate>(call); }
void adagrad_update(const Call& call) { update<AdagradUpdate>(call); }

}  // namespace tapir::cpu
