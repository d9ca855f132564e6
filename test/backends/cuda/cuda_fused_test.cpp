// Fused groups of traced functions as kernels made at run time, on the host double: the text that NVRTC gets (and
// compiles here, where it is installed) is compiled by the machine's compiler and run, and gives what the CPU gives.
#include <doctest/doctest.h>
#include <tapir/tensor/cuda.h>
#include <tapir/tensor/device_scope.h>
#include <tapir/test/difference.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace tapir;

namespace {

namespace fs = std::filesystem;
using List = std::vector<Tensor>;

int kernels() {
  int n = 0;
  const char* folder = std::getenv("TAPIR_KERNEL_CACHE");
  if (!folder || !fs::exists(folder)) return 0;
  for (auto& e : fs::directory_iterator(folder)) n += e.path().extension() == ".kernel";
  return n;
}

// What an earlier run left does not count.
void forget_kernels() {
  static const bool once = [] {
    if (!std::getenv("TAPIR_TEST_AGAIN")) fs::remove_all(std::getenv("TAPIR_KERNEL_CACHE"));
    return true;
  }();
  (void)once;
}

// The program traced on the device, twice, against the CPU's op by op; how many kernels were made.
template <class F>
int check_fused(const char* name, F&& run, const List& in, double tolerance = 2e-6) {
  CAPTURE(std::string(name));
  forget_kernels();
  const List expected = run(in);
  const int before = kernels();
  DeviceScope scope(Device::cuda());
  auto f = function([&](const List& x) { return run(x); });
  for (int call = 0; call < 2; ++call) {
    List there;
    for (auto& t : in) there.push_back(t.to(Device::cuda()));
    CHECK(difference(f(there), expected) <= tolerance);
  }
  return kernels() - before;
}

Tensor numbers(Shape shape, DType d = DType::f32) { return random::normal(shape, {.seed = 3}).astype(d); }

// This program again, its cases called `name`, with more environment; what it says on stderr.
std::string again(const std::string& environment, const char* name, int processes = 1) {
  const std::string self = fs::read_symlink("/proc/self/exe").string(), folder = std::getenv("TAPIR_KERNEL_CACHE"),
                    said = folder + "/stderr";
  std::string command = "{ ";
  for (int i = 0; i < processes; ++i)
    command += "env -u TAPIR_DOUBLE_NVRTC " + environment + " TAPIR_TEST_AGAIN=1 '" + self + "' --test-case='" + name +
               "' > /dev/null & p" + std::to_string(i) + "=$!; ";
  for (int i = 0; i < processes; ++i) command += "wait $p" + std::to_string(i) + " || echo failed >&2; ";
  command += "} 2> '" + said + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  std::ifstream in(said);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  fs::remove(said);
  return text;
}

}  // namespace

TEST_CASE("one chain") {
  check_fused("chain", [](const List& x) -> List { return {tanh(x[0] * 2 + 1) - x[1]}; },
              {numbers({5, 7}), numbers({7})});
}

TEST_CASE("chains are one kernel: broadcast, strided, numbers, attributes") {
  REQUIRE(cuda_device_count() > 0);
  const Tensor x = numbers({6, 5, 4}), row = numbers({4}), column = numbers({5, 1}), one = numbers({1});
  CHECK(check_fused("broadcast", [](const List& t) -> List { return {(t[0] + t[1]) * t[2] - t[3] / 3}; },
                    {x, row, column, one}) == 1);
  CHECK(check_fused("strided",
                    [](const List& t) -> List {
                      return {exp(permute_dims(t[0], {2, 1, 0}) * 0.5) + t[1]};
                    },
                    {x, numbers({4, 5, 6})}) == 1);
  CHECK(check_fused("attributes",
                    [](const List& t) -> List {
                      return {leaky_relu(t[0], 0.3) + elu(t[0], 1.7) * gelu(t[0]) + polygamma(1, abs(t[0]) + 1)};
                    },
                    {x}) == 1);
  CHECK(check_fused("several results",
                    [](const List& t) -> List {
                      const Tensor a = sin(t[0]) * t[0];
                      return {a, a + 1, square(a) - t[0]};
                    },
                    {x}) == 1);
  CHECK(check_fused(
            "f64", [](const List& t) -> List { return {log1p(exp(-abs(t[0]))) * erf(t[0])}; },
            {numbers({100}, DType::f64)}, 1e-13) == 1);
}

TEST_CASE("integers, bool and selection") {
  const Tensor i = arange(24) - 7, x = numbers({24});
  CHECK(check_fused("integers",
                    [](const List& t) -> List {
                      return {(t[0] * 3 + 5) % 7, pow(t[0], 3) - (t[0] << 2)};
                    },
                    {i}) >= 1);
  CHECK(check_fused("narrow integers",
                    [](const List& t) -> List {
                      return {t[0] * t[0] + t[0], floor_divide(t[0], 3) * 2};
                    },
                    {(arange(24) * 5).astype(DType::i8)}) >= 1);
  CHECK(check_fused("selection",
                    [](const List& t) -> List {
                      return {where(logical_and(t[0] > 0, t[0] < 1), exp(t[0]), t[0] * 2), isnan(t[0] / (t[0] * 0))};
                    },
                    {x}) >= 1);
  CHECK(check_fused("casts",
                    [](const List& t) -> List {
                      return {(t[0] * 10).astype(DType::i32) + 1, (t[0] > 0).astype(DType::f32) * t[0],
                              (t[0] * 1e10).astype(DType::i32) * 2};
                    },
                    {x}) >= 1);
}

TEST_CASE("halves are rounded as the ops alone round") {
  for (DType d : {DType::f16, DType::bf16}) {
    const Tensor x = numbers({8, 9}, d);
    CHECK(check_fused(
              "halves", [](const List& t) -> List { return {(t[0] * t[0] + t[1]) * 0.3 - t[0]}; }, {x, numbers({9}, d)},
              0) == 1);
    CHECK(check_fused(
              "to and from halves",
              [](const List& t) -> List {
                const Tensor wide = t[0].astype(DType::f32) * 1.7;
                return {wide + 1, (wide * wide).astype(t[0].dtype())};
              },
              {x}, 1e-6) >= 1);
  }
}

TEST_CASE("sums of what is computed") {
  struct {
    Shape shape;
    Axes axes;
  } cases[] = {{{3, 5}, {1}},     {{3, 5}, {0}},     {{3, 5}, {0, 1}},  {{70000}, {0}},        {{5, 30000}, {1}},
               {{30000, 5}, {0}}, {{2000, 33}, {0}}, {{2000, 33}, {1}}, {{4, 300, 7}, {0, 1}}, {{4, 3, 700}, {1, 2}}};
  for (auto& c : cases)
    check_fused(
        "sum",
        [&](const List& t) -> List {
          const Tensor y = square(t[0]) + t[0];
          return {sum(y, {.axis = c.axes}), y * 2, sum(exp(t[0] * 0.1), {.axis = c.axes})};
        },
        {numbers(c.shape)}, 1e-5);
  CHECK(kernels() > 0);
}

TEST_CASE("gradients, in place in the arena") {
  CHECK(check_fused(
            "gradient",
            [](const List& t) -> List {
              GradientTape tape;
              tape.watch(t[0]), tape.watch(t[1]);
              const Tensor y = sum(silu(t[0] * t[1] + 0.5) * softplus(t[0]));
              return tape.gradient(y, t);
            },
            {numbers({40, 30}), numbers({30})}, 1e-5) >= 1);
}

TEST_CASE("kernels are kept in files that processes share") {
  if (!std::getenv("TAPIR_CUDA_LIBRARY")) return;  // the double's compiler can be made to fail
  const fs::path folder = std::getenv("TAPIR_KERNEL_CACHE");
  auto files = [&] {
    std::vector<fs::path> out;
    for (auto& e : fs::directory_iterator(folder)) out.push_back(e.path());
    return out;
  };
  fs::remove_all(folder);
  fs::create_directories(folder);
  CHECK(again("", "one chain", 3) == "");  // at once
  REQUIRE(files().size() == 1);            // and nothing half written
  CHECK(again("TAPIR_DOUBLE_COMPILER=false", "one chain") == "");
  std::string bytes;
  {
    std::ifstream in(files()[0], std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  auto spoil = [&](std::string with) { std::ofstream(files()[0], std::ios::binary) << with; };
  std::string flipped = bytes;
  flipped[bytes.size() / 2] ^= 1;
  for (const std::string& broken :
       {bytes.substr(0, bytes.size() / 2), flipped, std::string("nonsense"), std::string()}) {
    spoil(broken);
    CHECK(again("", "one chain").find("is broken; it is ignored and made anew.") != std::string::npos);
    CHECK(again("TAPIR_DOUBLE_COMPILER=false", "one chain") == "");
  }
  // A compiler that fails is told, and the ops run one by one; without one nothing is said.
  CHECK(again("TAPIR_KERNEL_CACHE= TAPIR_DOUBLE_COMPILER=false", "one chain").find("could not be compiled") !=
        std::string::npos);
  CHECK(again("-u TAPIR_DOUBLE_COMPILER", "one chain") == "");
  // A folder that cannot be made.
  CHECK(again("TAPIR_KERNEL_CACHE=/proc/nowhere", "one chain").find("kernels are kept for this run alone") !=
        std::string::npos);
}
