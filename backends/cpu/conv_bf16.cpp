// bf16: oneDNN's convolutions of the bf16 pieces of f32 operands, where the precision allows them.
#ifdef TAPIR_ONEDNN
#include <tapir/backends/cpu/conv_cost.h>
#include <tapir/backends/cpu/conv_direct.h>

#include <fmt/format.h>

namespace tapir::cpu {

ConvProblem of_pieces(ConvProblem p, ConvDirection d, Pieces s) {
  if (s.count == 0) return p;
  (d == ConvDirection::forward ? p.c : d == ConvDirection::input_gradient ? p.k : p.n) *= s.count;
  p.dtype = s.dtype;
  p.precision = Precision::highest;  // the pieces are all that is to be multiplied
  return p;
}

void split_x(const ConvProblem& p, ConvDirection d, Pieces s, const void* x, void* to) {
  const std::int64_t size = p.n * p.in_pixels() * p.c, run = d == ConvDirection::forward ? p.cg() : size;
  split_runs(static_cast<const float*>(x), size / run, run, s, Side::left, to);
}
void split_kernel(const ConvProblem& p, ConvDirection d, Pieces s, const void* kernel, void* to) {
  const std::int64_t size = p.taps() * p.cg() * p.k, run = d == ConvDirection::forward ? p.cg() * p.k : p.kg();
  split_runs(static_cast<const float*>(kernel), size / run, run, s, Side::right, to);
}
void split_y(const ConvProblem& p, ConvDirection d, Pieces s, const void* y, void* to) {
  const std::int64_t size = p.n * p.out_pixels() * p.k, run = d == ConvDirection::input_gradient ? p.kg() : size;
  split_runs(static_cast<const float*>(y), size / run, run, s,
             d == ConvDirection::input_gradient ? Side::left : Side::right, to);
}

namespace {

// oneDNN's small groups of bf16 channels go without AMX.
constexpr std::int64_t kBlock = 16;

std::string refuses(const ConvProblem& p, ConvDirection d) {
  if (bf16() == Bf16::none) return "this machine has no bf16 products";
  if (p.dtype != DType::f32) return fmt::format("it takes f32, not {}", name_of(p.dtype));
  if (p.precision == Precision::highest) return "the precision is highest";
  if (p.groups > 1 && (p.cg() % kBlock || p.kg() % kBlock))
    return fmt::format("groups of {} and {} channels, it takes multiples of {}", p.cg(), p.kg(), kBlock);
  // oneDNN 2.6 computes these wrongly with AVX512-BF16: some dilated shapes in each direction (garbage, even
  // infinities), and 1x1 input gradients that sum over an odd number of filters.
  if (ConvWork(p).dilated(p)) return "it takes no dilations";
  if (d == ConvDirection::input_gradient && p.taps() == 1 && p.k % 2)
    return fmt::format("{} filters, its 1x1 input gradient takes an even number", p.k);
  return "";
}

// direct's by the rate of bf16 products (time_of), where channels that are summed over come 32 at a time, and the
// pieces.
double cost(const ConvProblem& p, ConvDirection d) {
  const Pieces s = pieces_of(p.precision);
  const ConvWork w(p);
  const std::int64_t summed = d == ConvDirection::input_gradient ? p.kg() * s.count : p.cg() * s.count;
  const double padding =
      d == ConvDirection::kernel_gradient ? 1 : double(round_up(summed, 2 * kBlock)) / double(summed);
  const double numbers = (d == ConvDirection::input_gradient ? 0 : w.x) + (d == ConvDirection::forward ? 0 : w.y);
  return time_of(s) * padding * direct_cost(p, d) + 0.15 * s.count * (numbers + w.kernel) + 2000;
}

}  // namespace

const ConvEntry conv_bf16 = {
    ConvAlgorithm::bf16,
    refuses,
    cost,
    [](const ConvProblem& p, ConvDirection d, const ConvBuffers& b) { run_direct(p, d, b, pieces_of(p.precision)); },
    true,
};

}  // namespace tapir::cpu
#endif
