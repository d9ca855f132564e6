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
  const UpdateLoop loop = call.out[0].dtype() == DType::f32 ? loops_of<F>().f32 : loops_of<F>().f64;
  const std::size_t each = 1 + std::size_t(call.attrs.as<F>().states()), count = call.out.size() / each;
  const double rate = call.in[call.in.size() - 2].item<double>();
  const auto step = call.in[call.in.size() - 1].item<std::int64_t>();
  SmallVector<Updated, 8> parameters;
  std::int64_t size = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Updated u{size, call.out[i * each].size(), {}, {}};
    for (std::size_t k = 0; k < each; ++k) {
      u.in[k] = call.in[i * each + k].data<std::byte>();
      u.out[k] = call.out[i * each + k].mutable_data<std::byte>();
    }
    u.in[each] = call.in[count * each + i].data<std::byte>();
    size += u.size;
    parameters.push_back(u);
  }
  parallel_for(size, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    loop(call.attrs.data(), rate, step, {parameters.data(), parameters.size()}, begin, end);
  });
}

}  // namespace

void sgd_update(const Call& call) { update<SGDUpdate>(call); }
void adam_update(const Call& call) { update<AdamUpdate>(call); }
void rmsprop_update(const Call& call) { update<RMSpropUpdate>(call); }
void adagrad_update(const Call& call) { update<AdagradUpdate>(call); }

}  // namespace tapir::cpu
