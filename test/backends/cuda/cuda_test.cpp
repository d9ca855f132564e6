// The CUDA backend around its kernels: devices, copies, scopes, memory, faults. On the host double.
#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/backends/cuda/replays.h>
#include <tapir/test/thrown.h>

#include <cstdlib>
#include <thread>

using namespace tapir;

namespace {

// On the double there are two devices, on a machine with one GPU it is both.
Device last() { return Device::cuda(cuda_device_count() > 1 ? 1 : 0); }

}  // namespace

TEST_CASE("devices are counted, and others refused") {
  REQUIRE(cuda_missing() == "");
  if (!std::getenv("TAPIR_CUDA_LIBRARY")) return;
  CHECK(cuda_device_count() == 2);
  CHECK(message([] { ones({3}).to(Device::cuda(2)); }) ==
        "to: cuda:2 is not there; this machine has 2 CUDA devices. Use cuda:1 or lower.");
  CHECK(message([] { DeviceScope scope(Device::cuda(7)); }) ==
        "DeviceScope: cuda:7 is not there; this machine has 2 CUDA devices. Use cuda:1 or lower.");
}

TEST_CASE("values travel: dense, strided, small, empty") {
  const Tensor x = arange(24).astype(DType::f32);
  const Tensor m = reshape(x, {2, 3, 4});
  for (const Tensor& t : {m, permute_dims(m, {2, 0, 1}), m(Slice(), Slice(2, 0, -1)), m[1], x[3], zeros({0, 4}),
                          broadcast_to(x[2], {3, 3})}) {
    const Tensor there = t.to(last());
    CHECK(there.device() == last());
    CHECK(there.shape() == t.shape());
    CHECK(there.to_vector<float>() == t.to_vector<float>());
    CHECK(there.to(Device::cuda(0)).to(Device::cpu()).to_vector<float>() == t.to_vector<float>());
    CHECK(permute_dims(there, check_axes("test", {}, t.rank())).to_vector<float>() == t.to_vector<float>());
  }
  const Tensor there = m.to(Device::cuda());
  CHECK(permute_dims(there, {2, 1, 0}).to_vector<float>() == permute_dims(m, {2, 1, 0}).to_vector<float>());
  CHECK(there(0, 1, 2).item<float>() == 6);
  CHECK((there * 2 + 1).to_vector<float>() == (m * 2 + 1).to_vector<float>());
  CHECK(there.str() == m.str());
}

TEST_CASE("gradients find the way back") {
  const Tensor x = tensor({1.0, 2.0, 3.0});
  GradientTape tape;
  tape.watch(x);
  const Tensor y = sum(square(x.to(Device::cuda())));
  CHECK(y.device() == Device::cuda());
  const Tensor dx = tape.gradient(y, x);
  CHECK(dx.device() == Device::cpu());
  CHECK(dx.to_vector<float>() == std::vector<float>{2, 4, 6});
}

TEST_CASE("devices do not mix") {
  const Tensor x = ones({2});
  CHECK(message([&] { (void)(x + x.to(Device::cuda())); }) ==
        "add: operands are on cpu and cuda:0. Move one: x.to(Device::cpu()).");
}

TEST_CASE("a scope is where things are made") {
  CHECK(default_device() == Device::cpu());
  {
    DeviceScope outer(last());
    CHECK(default_device() == last());
    CHECK(zeros({2, 2}).device() == last());
    CHECK(full({3}, 2.5).to_vector<float>() == std::vector<float>(3, 2.5f));
    CHECK(arange(3).device() == last());
    CHECK(tensor({1, 2}).device() == last());
    CHECK(eye(3, {.k = 1}).to_vector<float>() == std::vector<float>{0, 1, 0, 0, 0, 1, 0, 0, 0});
    CHECK(nn::initializers::orthogonal()({4, 3}, 7).device() == last());
    CHECK(random::normal({4}).device() == last());
    {
      DeviceScope inner(Device::cpu());
      CHECK(zeros({1}).device() == Device::cpu());
    }
    std::thread([] { CHECK(default_device() == Device::cpu()); }).join();
    CHECK(zeros({1}).device() == last());
  }
  CHECK(zeros({1}).device() == Device::cpu());
  CHECK(zeros_like(ones({2}).to(last())).device() == last());
}

TEST_CASE("draws are the CPU's") {
  for (DType d : {DType::f32, DType::f64}) {
    const Tensor u = random::uniform({1000}, {.dtype = d, .seed = 5}),
                 n = random::normal({1000}, {.dtype = d, .seed = 5});
    DeviceScope scope(Device::cuda());
    const double near = d == DType::f64 ? 1e-12 : 1e-6;
    CHECK(allclose(random::uniform({1000}, {.dtype = d, .seed = 5}).to(Device::cpu()), u, {.rtol = 0, .atol = 0}));
    CHECK(allclose(random::normal({1000}, {.dtype = d, .seed = 5}).to(Device::cpu()), n, {.rtol = near, .atol = near}));
  }
}

TEST_CASE("an index out of range is told when the device is waited for") {
  const Tensor x = arange(5).astype(DType::i64).to(Device::cuda()), i = tensor({1, 7}).to(Device::cuda());
  const Tensor y = take(x, i);
  CHECK(message([&] { y.to_vector<std::int64_t>(); }) == "take: index 7 is out of range for size 5.");
  CHECK(take(x, i % 5).to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 2});  // and only once
  (void)take(x, i);
  CHECK(message([&] { synchronize(Device::cuda()); }) == "take: index 7 is out of range for size 5.");
}

TEST_CASE("a traced call is replayed as a whole, with fresh inputs and results of its own") {
  if (!std::getenv("TAPIR_CUDA_LIBRARY")) return;
  const Device gpu = Device::cuda();
  DeviceScope scope(gpu);
  const Tensor w = random::normal({8, 8}, {.seed = 1});
  auto f = function([&](const Tensor& x) { return sum(tanh(matmul(x, w)) * x + 1, {.axis = 1}); });
  const Tensor w_here = w.to(Device::cpu());
  std::vector<Tensor> kept, expected;
  const int before = replays();
  for (int i = 0; i < 12; ++i) {
    const Tensor x = random::normal({4, 8}, {.seed = i});
    kept.push_back(x.to(gpu));  // so each call's input is somewhere else
    DeviceScope here(Device::cpu());
    const Tensor xc = kept.back().to(Device::cpu());
    expected.push_back(sum(tanh(matmul(xc, w_here)) * xc + 1, {.axis = 1}));
  }
  std::vector<Tensor> results;
  for (auto& x : kept) results.push_back(f(x));
  CHECK(replays() - before >= 9);
  for (std::size_t i = 0; i < results.size(); ++i)  // nobody wrote over an earlier one
    CHECK(allclose(results[i].to(Device::cpu()), expected[i], {.rtol = 1e-5, .atol = 1e-6}));
  // Memory that the notes use is nobody else's.
  std::vector<Tensor> others;
  for (int i = 0; i < 8; ++i) others.push_back(full({4, 8}, double(i)));
  (void)f(kept[0]);
  for (int i = 0; i < 8; ++i) CHECK(sum(others[std::size_t(i)]).item<float>() == 32.f * float(i));
}

TEST_CASE("variables are written over in a replay, and others may hold their values") {
  if (!std::getenv("TAPIR_CUDA_LIBRARY")) return;
  DeviceScope scope(Device::cuda());
  Variable v(zeros({100}), "v");
  auto f = function([&](const Tensor& x) {
    v.assign(v * 0.5 + x);
    return matmul(v.value(), v.value());
  });
  const Tensor x = ones({100});
  const int before = replays();
  double expected = 0;
  std::vector<Tensor> held;
  std::vector<double> held_values;
  for (int i = 0; i < 40; ++i) {
    const float got = f(x).item<float>();
    expected = expected * 0.5 + 1;
    REQUIRE(got == doctest::Approx(100 * expected * expected));
    REQUIRE(v.value()[0].item<float>() == doctest::Approx(expected));
    if (i % 13 == 5) held.push_back(v.value()), held_values.push_back(expected);
    if (i == 20) v.assign(full({100}, 3.0)), expected = 3;
  }
  CHECK(replays() - before >= 20);
  for (std::size_t i = 0; i < held.size(); ++i) CHECK(held[i][7].item<float>() == doctest::Approx(held_values[i]));
}

TEST_CASE("draws differ from replay to replay, as on the CPU; faults are told; what needs the host is not replayed") {
  if (!std::getenv("TAPIR_CUDA_LIBRARY")) return;
  auto draws = [](Device device) {
    DeviceScope scope(device);
    random::set_seed(5);
    auto f = function([&](const Tensor& x) { return random::uniform({50}) * x + random::uniform({50}); });
    std::vector<float> all;
    const Tensor x = ones({50});
    for (int i = 0; i < 6; ++i)
      for (float n : f(x).to_vector<float>()) all.push_back(n);
    return all;
  };
  const int before = replays();
  const std::vector<float> gpu = draws(Device::cuda());
  CHECK(replays() > before);
  const std::vector<float> cpu = draws(Device::cpu());
  REQUIRE(gpu.size() == cpu.size());
  for (std::size_t i = 0; i < gpu.size(); ++i) REQUIRE(gpu[i] == doctest::Approx(cpu[i]));

  DeviceScope scope(Device::cuda());
  auto g = function([](const Tensor& x, const Tensor& i) { return take(x * 2 + 1, i) * 3; });
  const Tensor x = arange(5).astype(DType::f32), good = tensor({1, 2}), bad = tensor({1, 7});
  for (int i = 0; i < 6; ++i) CHECK(g(x, good).to_vector<float>() == std::vector<float>{9, 15});
  const Tensor y = g(x, bad);
  CHECK(message([&] { y.to_vector<float>(); }) == "take: index 7 is out of range for size 5.");
  CHECK(g(x, good).to_vector<float>() == std::vector<float>{9, 15});

  const int then = replays();
  auto h = function([&](const Tensor& t) {
    check(all(t < 100), "small");
    return exp(t * 0.1) + sum(t);
  });
  for (int i = 0; i < 5; ++i) (void)h(x);
  CHECK(replays() == then);
}

TEST_CASE("memory is counted, kept, limited and given back") {
  const Device gpu = last();
  release_cached_memory(gpu);
  const MemoryStats before = memory_stats(gpu);
  CHECK(before.cached == 0);
  {
    const Tensor x = zeros({1 << 20}, DType::f32).to(gpu);
    CHECK(memory_stats(gpu).in_use >= before.in_use + (4 << 20));
  }
  CHECK(memory_stats(gpu).in_use == before.in_use);
  CHECK(memory_stats(gpu).cached >= 4 << 20);
  const auto hits = memory_stats(gpu).cache_hits;
  { const Tensor again = zeros({1 << 20}, DType::f32).to(gpu); }
  CHECK(memory_stats(gpu).cache_hits > hits);
  set_memory_limit(8 << 20, gpu);
  CHECK(
      message([&] { ones({4 << 20}).to(gpu); }).starts_with("allocate: 16777216 bytes would exceed the memory limit"));
  set_memory_limit(0, gpu);
  CHECK(ones({4 << 20}).to(gpu).device() == gpu);
  release_cached_memory(gpu);
  CHECK(memory_stats(gpu).cached == 0);
  CHECK(memory_stats(gpu).in_use == before.in_use);
}

TEST_CASE("threads use devices of their own") {
  auto work = [](int index) {
    const Device gpu = Device::cuda(index);
    for (int i = 0; i < 50; ++i) {
      Tensor x = full({64, 64}, double(index + 1)).to(gpu);
      REQUIRE(sum(matmul(x, x)).item<float>() == 64.f * 64 * 64 * float((index + 1) * (index + 1)));
    }
  };
  std::thread a(work, 0), b(work, last().index), c(work, 0);
  a.join(), b.join(), c.join();
}

TEST_CASE("tensors of static storage may outlive everything") {
  static Tensor kept;
  kept = ones({100}).to(Device::cuda());
  CHECK(sum(kept).item<float>() == 100);
}
