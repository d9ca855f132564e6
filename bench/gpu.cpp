// The first CUDA device: memory, products, convolutions, fused functions, a training step. Times are from the first
// call given to the device until it has done the last, a call. TAPIR_BENCH_TINY=1 shrinks everything, to see that it
// runs.
#include <tapir/bench/bench.h>
#include <tapir/tensor/cuda.h>
#include <tapir/tensor/device_scope.h>

#include <chrono>
#include <cstdlib>

using namespace tapir;
using bench::Bound;

namespace {

const bool tiny = std::getenv("TAPIR_BENCH_TINY") != nullptr;

std::int64_t scaled(std::int64_t n) { return tiny ? std::max<std::int64_t>(n / 64, 4) : n; }

template <class F>
double seconds_of(int calls, F&& f) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) f();
  synchronize(Device::cuda());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Rows {
 public:
  explicit Rows(bench::Table& table) : table_(table) {}

  // `work` of `unit` (1e9 of them) a call.
  template <class F>
  void row(const std::string& name, double work, const char* unit, F&& f) {
    if (!table_.wants(name)) return;
    seconds_of(3, f);  // kernels are compiled, calls are noted for replays
    const double once = seconds_of(3, f) / 3;
    const int calls = tiny ? 1 : int(std::clamp(0.02 / once, 1.0, 1e5));
    std::vector<double> samples;
    for (int i = 0; i < 9; ++i) samples.push_back(seconds_of(calls, f) / calls);
    std::sort(samples.begin(), samples.end());
    char note[64] = "";
    if (work > 0) std::snprintf(note, sizeof note, "%.4g %s", work / samples[0] * 1e-9, unit);
    table_.add(name, Bound::overhead, 0, {samples[4], samples[0]}, note);
  }

 private:
  bench::Table& table_;
};

void training(Rows& rows, bool eagerly) {
  const std::int64_t n = scaled(256);
  Variable w1(random::normal({784, scaled(1024)}, {.stddev = 0.05, .seed = 1}), "w1"),
      w2(random::normal({scaled(1024), 10}, {.stddev = 0.05, .seed = 2}), "w2");
  const Tensor x = random::normal({n, 784}, {.seed = 3}), y = random::normal({n, 10}, {.seed = 4});
  auto step = [&](const Tensor& in, const Tensor& answers) {
    GradientTape tape;
    const Tensor loss = mean(square(matmul(relu(matmul(in, w1)), w2) - answers));
    const std::vector<Tensor> g = tape.gradient(loss, std::vector<Variable>{w1, w2});
    w1.assign(w1 - g[0] * 0.01);
    w2.assign(w2 - g[1] * 0.01);
    return loss;
  };
  auto traced = function(step);
  rows.row(eagerly ? "MLP training step, eager" : "MLP training step, traced", 0, "",
           [&] { eagerly ? step(x, y) : traced(x, y); });
}

}  // namespace

int main(int argc, char** argv) {
  if (cuda_device_count() == 0) {
    std::fprintf(stderr, "gpu: nothing to measure, %s.\n", cuda_missing().c_str());
    return 0;
  }
  bench::Table table("gpu", argc, argv);
  Rows rows(table);
  const Device gpu = Device::cuda();
  DeviceScope scope(gpu);
  const std::int64_t n = scaled(1 << 24), m = scaled(4096);
  const Tensor a = random::normal({n}, {.seed = 1}), b = random::normal({n}, {.seed = 2}), host = a.to(Device::cpu());
  const double bytes = 4.0 * double(n);
  rows.row("copy to the device", bytes, "GB/s", [&] { host.to(gpu); });
  rows.row("copy to the host", bytes, "GB/s", [&] { a.to(Device::cpu()); });
  rows.row("add", 3 * bytes, "GB/s", [&] { a + b; });
  auto chain = [](const Tensor& x, const Tensor& y) { return tanh(x * y + 1) * y - x; };
  auto fused = function(chain);
  rows.row("tanh(x y + 1) y - x, eager", 3 * bytes, "GB/s of what it must move", [&] { chain(a, b); });
  rows.row("tanh(x y + 1) y - x, traced", 3 * bytes, "GB/s of what it must move", [&] { fused(a, b); });
  rows.row("sum", bytes, "GB/s", [&] { sum(a); });
  const Tensor small = ones({8});
  auto many = function([](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 20; ++i) y = sum(y, {.keepdims = true}) * x * 0.1;
    return y;
  });
  rows.row("20 small sums, traced", 0, "", [&] { many(small); });
  for (DType d : {DType::f32, DType::f16, DType::bf16})
    for (const char* precision : {"highest", "high"}) {
      if (d != DType::f32 && std::string(precision) == "high") continue;
      PrecisionScope with(precision);
      const Tensor p = random::normal({m, m}, {.seed = 3}).astype(d), q = random::normal({m, m}, {.seed = 4}).astype(d);
      rows.row(std::string("matmul ") + name_of(d) + ", " + precision, 2.0 * double(m * m * m), "GFLOP/s",
               [&] { matmul(p, q); });
    }
  const std::int64_t images = scaled(64), size = tiny ? 8 : 56, channels = scaled(64);
  const Tensor x = random::normal({images, size, size, channels}, {.seed = 5}),
               kernel = random::normal({3, 3, channels, channels}, {.seed = 6});
  rows.row("conv2d 3x3 [64, 56, 56, 64]", 2.0 * 9 * double(x.size() * channels), "GFLOP/s", [&] { conv2d(x, kernel); });
  training(rows, true);
  training(rows, false);
}
