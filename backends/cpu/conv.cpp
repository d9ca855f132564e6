// The kernels of the convolution rows: they describe the problem and hand it to the algorithm that conv_entries()
// gives.
#include <tapir/backends/cpu/bf16.h>
#include <tapir/backends/cpu/conv.h>
#include <tapir/backends/cpu/conv_autotune.h>
#include <tapir/ops/fused.h>
#include <tapir/ops/kernels.h>

#include <fmt/format.h>

#include <cstring>
#include <vector>

namespace tapir::cpu {

bool ConvProblem::pointwise() const {
  for (int d = 0; d < 3; ++d)
    if (kernel[d] != 1 || stride[d] != 1 || before[d] != 0 || in[d] != out[d]) return false;
  return true;
}

ConvProblem conv_problem(const Shape& x, const Shape& kernel, const Shape& y, const ConvAttrs& a, DType dtype) {
  const int spatial = a.strides.rank(), lead = 3 - spatial;
  ConvProblem p{x[0],      x.back(),  kernel.back(), a.groups, {1, 1, 1}, {1, 1, 1},
                {1, 1, 1}, {1, 1, 1}, {1, 1, 1},     {},       dtype};
  if (pieces_of(a.precision).count) p.precision = a.precision;
  for (int d = 0; d < spatial; ++d) {
    p.in[lead + d] = x[1 + d];
    p.kernel[lead + d] = kernel[d];
    p.out[lead + d] = y[1 + d];
    p.stride[lead + d] = a.strides[d];
    p.dilation[lead + d] = kernel[d] == 1 ? 1 : a.dilations[d];
    p.before[lead + d] = a.before[d];
  }
  return p;
}

std::span<const ConvEntry* const> conv_entries() {
  static const ConvEntry* const entries[] = {
      &conv_small_channels, &conv_depthwise, &conv_winograd,
#ifdef TAPIR_ONEDNN
      &conv_direct,         &conv_bf16,
#endif
      &conv_gemm_1x1,       &conv_im2col,    &conv_reference,
  };
  return entries;
}

const ConvEntry* find_conv_entry(ConvAlgorithm algorithm) {
  for (auto* e : conv_entries())
    if (e->algorithm == algorithm) return e;
  return nullptr;
}

static const ConvEntry& cheapest(const ConvProblem& p, ConvDirection d) {
  const ConvEntry* best = conv_entries().back();
  double least = best->cost(p, d);
  for (auto* e : conv_entries().first(conv_entries().size() - 1))
    if (e->refuses(p, d).empty())
      if (const double cost = e->cost(p, d); cost < least) best = e, least = cost;
  return *best;
}

const ConvEntry& choose_conv(const ConvProblem& p, ConvDirection d, ConvAlgorithm forced) {
  if (forced != ConvAlgorithm::automatic)
    if (auto* e = find_conv_entry(forced); e && e->refuses(p, d).empty()) return *e;
  // The same few convolutions come again and again.
  struct Known {
    ConvProblem p;
    ConvDirection d;
    const ConvEntry* entry = nullptr;
  };
  static thread_local std::vector<Known> known(64);  // on the heap: see ThreadCache in tensor/allocator.cpp
  const auto mixed =
      std::uint64_t(((((p.n * 31 + p.c) * 31 + p.k) * 31 + p.in[2]) * 31 + p.kernel[2]) * 31 + p.stride[2]);
  Known& k = known[(mixed * 3 + std::uint64_t(d)) % known.size()];
  if (!k.entry || !(k.p == p) || k.d != d) k = {p, d, &cheapest(p, d)};
  return *k.entry;
}

std::string conv_refusal(const Shape& x, const Shape& kernel, const Shape& y, const ConvAttrs& a, DType dtype,
                         ConvDirection d) {
  auto* e = find_conv_entry(a.algorithm);
  return e ? e->refuses(conv_problem(x, kernel, y, a, dtype), d) : "it is not part of this build";
}

// What became of the precision with that algorithm.
static std::string note_of(Precision precision, ConvAlgorithm algorithm) {
  if (precision == Precision::highest) return "";
  if (algorithm == ConvAlgorithm::bf16 || bf16() == Bf16::none) return explain(precision);
  return fmt::format("{}: f32 is used in {}", name_of(precision), name_of(algorithm));
}

ConvPlan conv_plan(const Shape& x, const Shape& kernel, const Shape& y, const ConvAttrs& a, DType dtype,
                   ConvDirection d) {
  ConvProblem p = conv_problem(x, kernel, y, a, dtype);
  ConvPlan plan;
  auto take = [&](const ConvEntry& e, std::string why) {
    plan.algorithm = e.algorithm, plan.why = std::move(why), plan.precision = note_of(a.precision, e.algorithm);
    return plan;
  };
  auto time = [&](const ConvEntry& e) { return fmt::format("{:.0f} us", e.cost(p, d) * 1e-3); };
  const ConvEntry& chosen = choose_conv(p, d, a.algorithm);
  if (chosen.algorithm == a.algorithm) return take(chosen, "forced");
  if (autotuning())
    if (auto* e = tuned_conv(p, d)) return take(*e, "measured");
  for (auto* e : conv_entries()) {
    if (e == &chosen) continue;
    std::string why = e->refuses(p, d);
    if (why.empty()) why = time(*e);
    plan.passed_by += (plan.passed_by.empty() ? "" : "; ") + std::string(name_of(e->algorithm)) + ": " + why;
  }
  return take(chosen, "expected: " + time(chosen) + " on one thread");
}

namespace {

const ConvEntry& measured(const ConvProblem& p, ConvDirection d, const ConvBuffers& b) {
  const ConvEntry* known = tuned_conv(p, d);
  return known ? *known : tune_conv(p, d, b);
}

void run(const Call& call, ConvDirection d, const Tensor& x, const Tensor& kernel, const Tensor& y,
         const Epilogue* after = nullptr) {
  const auto& a = call.attrs.as<ConvAttrs>();
  const Tensor& out = call.out[0];
  // Nothing flows into the result: no images, or no pixels.
  if (x.size() == 0 || y.size() == 0 || kernel.size() == 0) {
    std::memset(out.mutable_data<std::byte>(), 0, std::size_t(out.size()) * size_of(out.dtype()));
    if (after) after->over_all();
    return;
  }
  ConvProblem p = conv_problem(x.shape(), kernel.shape(), y.shape(), a, out.dtype());
  const ConvBuffers buffers{x.mutable_data<std::byte>(), kernel.mutable_data<std::byte>(), y.mutable_data<std::byte>(),
                            kernel.id(), after};
  const ConvEntry& entry = a.algorithm == ConvAlgorithm::automatic && autotuning() ? measured(p, d, buffers)
                                                                                   : choose_conv(p, d, a.algorithm);
  entry.run(p, d, buffers);
  if (after && !entry.in_pieces) after->over_all();
}

}  // namespace

void conv_then(const Call& call) {
  const auto& attrs = call.attrs.as<ConvThenAttrs>();
  const ThenCall then(call, attrs.then);
  run({call.op, call.in, {&then.y, 1}, attrs.op}, ConvDirection::forward, call.in[0], call.in[1], then.y, &then.after);
}

void conv(const Call& call) { run(call, ConvDirection::forward, call.in[0], call.in[1], call.out[0]); }
void conv_input_gradient(const Call& call) {
  run(call, ConvDirection::input_gradient, call.out[0], call.in[1], call.in[0]);
}
void conv_kernel_gradient(const Call& call) {
  run(call, ConvDirection::kernel_gradient, call.in[0], call.out[0], call.in[1]);
}

}  // namespace tapir::cpu
