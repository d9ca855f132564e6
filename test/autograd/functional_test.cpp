#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cmath>

using namespace tapir;

static double at(const Tensor& t, int i) { return t.astype(DType::f64).to_vector<double>().at(std::size_t(i)); }

TEST_CASE("grad of a scalar function") {
  auto f = [](const Tensor& t) { return sum(sin(t)); };
  Tensor v = tensor({0.0f, 1.0f});
  Tensor g = grad(f)(v);
  CHECK(at(g, 0) == doctest::Approx(1));
  CHECK(at(g, 1) == doctest::Approx(std::cos(1.0)));
  auto [value, gradient] = value_and_grad(f)(v);
  CHECK(value.item<double>() == doctest::Approx(std::sin(1.0)));
  CHECK(at(gradient, 1) == doctest::Approx(std::cos(1.0)));
}

TEST_CASE("grad nests") {
  auto f = [](const Tensor& t) { return t * t * t; };
  Tensor x = constant(2.0f);
  CHECK(grad(f)(x).item<float>() == 12);
  CHECK(grad(grad(f))(x).item<float>() == 12);
  CHECK(grad(grad(grad(f)))(x).item<float>() == 6);
  CHECK(grad(grad(grad(grad(f))))(x).item<float>() == 0);
}

TEST_CASE("grad with other arguments and with a list") {
  auto f = [](const Tensor& x, const Tensor& a) { return sum(x * a); };
  CHECK(at(grad(f)(tensor({1.0f, 2.0f}), tensor({5.0f, 7.0f})), 1) == 7);
  auto h = [](const std::vector<Tensor>& p) { return sum(p[0] * p[1]); };
  auto g = grad(h)(std::vector<Tensor>{tensor({1.0f, 2.0f}), tensor({5.0f, 7.0f})});
  CHECK(at(g[0], 0) == 5);
  CHECK(at(g[1], 1) == 2);
}

TEST_CASE("grad of what does not depend on x is zero") {
  Tensor c = constant(4.0f);
  CHECK(grad([&](const Tensor&) { return c; })(constant(1.0f)).item<float>() == 0);
}

TEST_CASE("grad wants a scalar") {
  try {
    grad([](const Tensor& t) { return t * t; })(tensor({1.0f, 2.0f, 3.0f}));
    FAIL("nothing was thrown");
  } catch (const ShapeError& e) {
    CHECK(std::string(e.what()) == "functional_test.cpp:" + std::to_string(__LINE__ - 3) +
                                       ": grad: the function must return a scalar, got shape [3]. Sum it, or use "
                                       "tape.jacobian().");
  }
}

TEST_CASE("jvp is forward mode") {
  auto [primal, tangent] = jvp([](const Tensor& t) { return sin(t); }, tensor({0.0f, 1.0f}), tensor({1.0f, 2.0f}));
  CHECK(at(primal, 1) == doctest::Approx(std::sin(1.0)));
  CHECK(at(tangent, 0) == doctest::Approx(1));
  CHECK(at(tangent, 1) == doctest::Approx(2 * std::cos(1.0)));
  auto two =
      jvp([](const std::vector<Tensor>& v) { return v[0] * v[1]; }, std::vector<Tensor>{constant(3.0f), constant(5.0f)},
          std::vector<Tensor>{constant(1.0f), constant(10.0f)});
  CHECK(two.tangent.item<float>() == 35);
  CHECK(jvp([](const Tensor& t) { return t + 3; }, constant(1.0f), constant(2.0f)).tangent.item<float>() == 2);
  CHECK_THROWS_AS(jvp([](const Tensor& t) { return t; }, constant(1.0f), tensor({2.0f})), ShapeError);
}
