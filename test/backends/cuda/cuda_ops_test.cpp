// Every case of the op table on a CUDA device (here the host double) against the CPU: values and gradients.
#include <doctest/doctest.h>
#include <tapir/tensor/cuda.h>
#include <tapir/tensor/device_scope.h>
#include <tapir/test/difference.h>
#include <tapir/test/ops/op_cases.h>

#include <cmath>

using namespace tapir;

namespace {

using List = std::vector<Tensor>;

List as(const List& in, DType dtype) {
  List out;
  for (auto& t : in) out.push_back(is_floating(t.dtype()) ? t.astype(dtype) : t);
  return out;
}
List to(const List& in, Device device) {
  List out;
  for (auto& t : in) out.push_back(t.to(device));
  return out;
}

// Rows without a kernel say why; these are known.
bool only_on_cpu(const std::exception& e) {
  return std::string(e.what()).find("there is no CUDA kernel, cuSOLVER is not used yet") != std::string::npos;
}

List gradients(const OpCase& c, const List& in) {
  GradientTape tape;
  List floating;
  for (auto& t : in)
    if (is_floating(t.dtype())) floating.push_back(t);
  for (auto& t : floating) tape.watch(t);
  Tensor y = c.run(in);
  if (!tape.recorded(y)) return {};
  return tape.gradient(sum(y * y) * 0.5, floating, {.unconnected = UnconnectedGradients::zero});
}

// The same through function(): one graph, its arena and its fused programs on the device.
void check_traced(const OpCase& c, const List& in, const Tensor& expected, double tolerance) {
  try {
    DeviceScope scope(Device::cuda());
    auto f = function([&](const List& x) { return c.run(x); });
    for (int call = 0; call < 2; ++call) {
      random::set_seed(7);
      const Tensor y = f(to(in, Device::cuda()));
      if (call && !c.expect.pure) continue;
      CHECK_MESSAGE(difference(y, expected) <= tolerance, std::string(c.name), ", traced, call ", call);
    }
  } catch (const std::exception& e) {
    FAIL_CHECK(std::string(c.name), ", traced: ", std::string(e.what()));
  }
}

}  // namespace

TEST_CASE("every case: CUDA is CPU") {
  if (cuda_device_count() == 0) return;
  const Device gpu = Device::cuda();
  for (auto& c : op_cases()) {
    CAPTURE(std::string(c.name));
    for (DType dtype : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
      if (is_half(dtype) && !c.expect.halves) continue;
      const double tolerance = dtype == DType::f64   ? 1e-10
                               : dtype == DType::f32 ? 20 * c.expect.tolerance
                               : dtype == DType::f16 ? 4e-3
                                                     : 3e-2;
      const List in = as(c.inputs(), dtype);
      random::set_seed(7);
      const Tensor expected = c.run(in);
      random::set_seed(7);
      try {
        DeviceScope scope(gpu);
        const Tensor y = c.run(to(in, gpu));
        CHECK_MESSAGE(y.device() == gpu, std::string(c.name));
        CHECK_MESSAGE(difference(y, expected) <= tolerance, std::string(c.name), " ", std::string(name_of(dtype)));
      } catch (const std::exception& e) {
        if (only_on_cpu(e)) break;
        FAIL_CHECK(std::string(c.name), " ", std::string(name_of(dtype)), ": ", std::string(e.what()));
        break;
      }
      if (dtype == DType::f32) check_traced(c, in, expected, tolerance);
      if (!c.expect.differentiable || is_half(dtype)) continue;
      const List g = gradients(c, in);
      try {
        DeviceScope scope(gpu);
        const List h = gradients(c, to(in, gpu));
        REQUIRE(h.size() == g.size());
        for (std::size_t i = 0; i < g.size(); ++i)
          CHECK_MESSAGE(difference(h[i], g[i]) <= tolerance, std::string(c.name), " ", std::string(name_of(dtype)),
                        ": gradient ", i);
      } catch (const std::exception& e) {
        FAIL_CHECK(std::string(c.name), " ", std::string(name_of(dtype)), ", gradient: ", std::string(e.what()));
        break;
      }
    }
  }
}
