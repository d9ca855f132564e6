// The CUDA backend around its kernels: devices, copies, scopes, memory, faults. On the host double.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cstdlib>
#include <thread>

using namespace tapir;

namespace {

template <class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    const std::string text = e.what();
    return text.substr(text.find(": ") + 2);
  }
  return "nothing was thrown";
}

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
