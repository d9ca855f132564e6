// Convolutions drawn by seed, in their three directions: time, share of the roof, and the algorithm taken.
//   conv_sweep [--json] [ROWS]     measures
//   conv_sweep --choice [ROWS]     measures every algorithm that can, and lists where the one taken costs over 10 %
//   more conv_sweep --shapes            prints the shapes as JSON, for bench/peers
//   --seed N                       draws others
#include <tapir/bench/bench.h>
#include <tapir/bench/conv_sweep.h>

#include <cstdlib>
#include <functional>
#include <memory>

using namespace tapir;
using bench::Bound;
using bench::ConvShape;

namespace {

constexpr std::pair<const char*, ConvDirection> directions[] = {{"forward", ConvDirection::forward},
                                                                {"input gradient", ConvDirection::input_gradient},
                                                                {"kernel gradient", ConvDirection::kernel_gradient}};

struct Operands {
  Tensor x, k, dy;
  explicit Operands(const ConvShape& s)
      : x(random::normal({s.n, s.size, s.size, s.channels}, {.seed = 1})),
        k(random::normal({s.kernel, s.kernel, s.channels / s.groups, s.filters}, {.seed = 2})),
        dy(random::normal({s.n, s.out(), s.out(), s.filters}, {.seed = 3})) {}
  // One direction, ready to be called.
  std::function<void()> call(ConvDirection d, const ConvOptions& options) const {
    if (d == ConvDirection::forward) return [x = x, k = k, options] { conv2d(x, k, options); };
    auto tape = std::make_shared<GradientTape>(TapeOptions{.persistent = true});
    const Tensor of = d == ConvDirection::input_gradient ? x : k;
    tape->watch(of);
    Tensor y = conv2d(x, k, options);
    return [=, dy = dy] { tape->gradient(y, of, {.output_gradients = dy}); };
  }
};

ConvPlan plan(const Operands& o, const ConvOptions& options, ConvDirection d) {
  return conv2d_plan(o.x.spec(), o.k.spec(), options, d);
}

void print_shapes(const std::vector<ConvShape>& shapes) {
  const char* before = "[";
  for (auto& s : shapes) {
    std::printf(
        "%s{\"name\": \"%s\", \"n\": %ld, \"size\": %ld, \"channels\": %ld, \"kernel\": %ld, \"stride\": %ld, "
        "\"dilation\": %ld, \"groups\": %ld, \"filters\": %ld, \"pad\": %ld}",
        before, s.name().c_str(), s.n, s.size, s.channels, s.kernel, s.stride, s.dilation, s.groups, s.filters, s.pad);
    before = ",\n ";
  }
  std::printf("]\n");
}

// The least time of each algorithm that can, in turns; the one taken first.
void measure_choice(const std::vector<ConvShape>& shapes, const std::string& word) {
  double lost = 0;
  int rows = 0, bad = 0;
  for (auto& s : shapes) {
    const Operands operands(s);
    for (auto [name, d] : directions) {
      const std::string row = s.name() + ", " + name;
      if (row.find(word) == std::string::npos) continue;
      std::vector<std::pair<ConvAlgorithm, std::function<void()>>> calls;
      const ConvAlgorithm taken = plan(operands, s.options(), d).algorithm;
      for (auto algorithm : {taken, ConvAlgorithm::small_channels, ConvAlgorithm::depthwise, ConvAlgorithm::winograd,
                             ConvAlgorithm::gemm_1x1, ConvAlgorithm::direct, ConvAlgorithm::im2col}) {
        if (!calls.empty() && algorithm == taken) continue;
        const ConvAlgorithmScope scope(algorithm);  // gradients ask it too
        ConvOptions forced = s.options();
        if (d == ConvDirection::forward) forced.algorithm = algorithm;
        if (plan(operands, s.options(), d).algorithm == algorithm)
          calls.emplace_back(algorithm, operands.call(d, forced));
      }
      std::vector<double> least(calls.size(), 1e9);
      for (std::size_t j = 0; j < calls.size();) {  // those that are far slower are timed once
        calls[j].second();
        const double t = bench::now();
        calls[j].second();
        least[j] = bench::now() - t;
        if (least[j] > 6 * *std::min_element(least.begin(), least.end()) && least[j] > 1e-4)
          calls.erase(calls.begin() + std::ptrdiff_t(j)), least.erase(least.begin() + std::ptrdiff_t(j));
        else ++j;
      }
      const double start = bench::now();
      for (int i = 0; i < 4 || (bench::now() - start < 0.15 && i < 200); ++i)
        for (std::size_t j = 0; j < calls.size(); ++j) {
          const double t = bench::now();
          calls[j].second();
          least[j] = std::min(least[j], bench::now() - t);
        }
      const std::size_t best = std::size_t(std::min_element(least.begin(), least.end()) - least.begin());
      const double ratio = least[0] / least[best];
      ++rows, lost += std::log(ratio), bad += ratio > 1.1;
      std::printf("%-74s", row.c_str());
      for (std::size_t j = 0; j < calls.size(); ++j)
        std::printf(" %s %.0f us%s", name_of(calls[j].first), least[j] * 1e6, j ? "," : " taken;");
      std::printf("%s\n", ratio > 1.1 ? (" <-- " + std::to_string(ratio).substr(0, 4)).c_str() : "");
      std::fflush(stdout);
    }
  }
  std::printf("%d rows; the choice costs %.1f %% over the best on average, over 10 %% in %d rows\n", rows,
              100 * (std::exp(lost / std::max(rows, 1)) - 1), bad);
}

}  // namespace

int main(int argc, char** argv) {
  unsigned seed = 5;
  bool choice = false, shapes_only = false;
  std::vector<char*> rest{argv[0]};
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    if (a == "--seed" && i + 1 < argc) seed = unsigned(std::atoi(argv[++i]));
    else if (a == "--choice") choice = true;
    else if (a == "--shapes") shapes_only = true;
    else rest.push_back(argv[i]);
  }
  const auto shapes = bench::ConvDraw(seed).all();
  if (shapes_only) return print_shapes(shapes), 0;
  if (choice) return measure_choice(shapes, rest.size() > 1 ? rest[1] : ""), 0;
  bench::Table table("conv_sweep", int(rest.size()), rest.data());
  for (auto& s : shapes) {
    const Operands operands(s);
    for (auto [name, d] : directions) {
      const std::string row = s.name() + ", " + name;
      if (!table.wants(row)) continue;
      auto call = operands.call(d, s.options());
      table.add(row, Bound::flops, s.flops(), bench::measure(call, 0.1),
                name_of(plan(operands, s.options(), d).algorithm));
    }
  }
}
