#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <array>

using namespace tapir;

TEST_CASE("custom_gradient replaces the inside") {
  auto log1pexp = custom_gradient([](const Tensor& t) {
    Tensor e = exp(t);
    return std::pair(log(1.0f + e), [e](const Tensor& upstream) { return upstream * (1.0f - 1.0f / (1.0f + e)); });
  });
  Tensor big = constant(100.0f);
  GradientTape tape;
  tape.watch(big);
  Tensor y = log1pexp(big);
  CHECK(tape.gradient(y, big).item<float>() == 1);
}

TEST_CASE("custom_gradient of two inputs, and its second derivative") {
  auto product = custom_gradient([](const Tensor& a, const Tensor& b) {
    return std::pair(a * b, [a, b](const Tensor& dy) { return std::array{dy * b * 2.0, dy * a * 3.0}; });
  });
  Tensor a = constant(5.0f), b = constant(7.0f);
  GradientTape tape;
  tape.watch(a);
  tape.watch(b);
  auto [da, db] = tape.gradient(product(a, b), a, b);
  CHECK(da.item<float>() == 14);
  CHECK(db.item<float>() == 15);

  auto cube = custom_gradient(
      [](const Tensor& x) { return std::pair(x * x * x, [x](const Tensor& dy) { return dy * 3.0 * x * x; }); });
  auto f = [&](const Tensor& x) { return cube(x); };
  CHECK(grad(grad(f))(constant(2.0f)).item<float>() == 12);
}

TEST_CASE("a gradient function of the wrong shape is refused") {
  auto bad =
      custom_gradient([](const Tensor& x) { return std::pair(x * 1.0, [](const Tensor&) { return zeros({3}); }); });
  Tensor x = constant(1.0f);
  GradientTape tape;
  tape.watch(x);
  Tensor y = bad(x);
  CHECK_THROWS_AS((void)tape.gradient(y, x), ShapeError);
}

TEST_CASE("recompute keeps nothing of the inside and gives the same gradient") {
  Tensor v = tensor({0.1f, -0.7f, 2.0f});
  auto block = [](const Tensor& t) { return tanh(tanh(tanh(t))); };
  GradientTape plain_tape, light_tape;
  plain_tape.watch(v);
  Tensor plain = sum(block(v));
  CHECK(plain_tape.size() == 4);
  light_tape.watch(v);
  std::size_t before = light_tape.size();
  Tensor light = sum(recompute(block)(v));
  CHECK(light_tape.size() - before == 2);
  Tensor a = plain_tape.gradient(plain, v), b = light_tape.gradient(light, v);
  CHECK(a.to_vector<float>() == b.to_vector<float>());
}

TEST_CASE("recompute reaches variables and second derivatives") {
  Variable w(constant(3.0f), "w");
  auto block = [&](const Tensor& t) { return w * t * t; };
  Tensor x = constant(2.0f);
  GradientTape outer;
  outer.watch(x);
  Tensor dx, dw;
  {
    GradientTape inner;
    inner.watch(x);
    Tensor y = recompute(block)(x);
    auto [gx, gw] = inner.gradient(y, x, w);
    dx = gx, dw = gw;
  }
  CHECK(dx.item<float>() == 12);
  CHECK(dw.item<float>() == 4);
  CHECK(outer.gradient(dx, x).item<float>() == 6);
}
