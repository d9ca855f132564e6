#include <doctest/doctest.h>
#include <tapir/tapir.h>

using namespace tapir;

TEST_CASE("gradcheck agrees where the gradient is right, to second order") {
  Tensor x = tensor({0.3, -1.2, 2.5}, DType::f64), y = tensor({{1.0}, {0.5}}, DType::f64);
  auto f = [](const std::vector<Tensor>& v) { return sin(v[0]) * exp(v[1]) / (square(v[0]) + 1.0); };
  GradcheckResult r = gradcheck(f, {x, y}, {.order = 2});
  CHECK_MESSAGE(r.ok, r.report);
  CHECK(gradcheck([](const Tensor& t) { return tanh(t); }, x).ok);
}

TEST_CASE("gradcheck finds a wrong gradient and says where") {
  auto wrong = custom_gradient([](const Tensor& t) {
    return std::pair(t * t, [t](const Tensor& dy) { return dy * t; });  // half of the truth
  });
  GradcheckResult r = gradcheck([&](const Tensor& t) { return wrong(t); }, tensor({1.0, 2.0}, DType::f64));
  CHECK_FALSE(r.ok);
  CHECK(r.report.find("input 0, element") != std::string::npos);
  auto wrong_second = [&](const Tensor& t) {
    auto f = custom_gradient([](const Tensor& x) {
      return std::pair(x * x, [x](const Tensor& dy) { return dy * 2.0 * stop_gradient(x); });
    });
    return f(t);
  };
  CHECK(gradcheck(wrong_second, tensor({1.0, 2.0}, DType::f64)).ok);
  CHECK_FALSE(gradcheck(wrong_second, tensor({1.0, 2.0}, DType::f64), {.order = 2}).ok);
}

TEST_CASE("gradcheck wants f64") {
  CHECK_THROWS_AS(gradcheck([](const Tensor& t) { return t * t; }, constant(1.0f)), DTypeError);
}
