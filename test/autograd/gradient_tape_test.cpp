#include <doctest/doctest.h>
#include <tapir/tapir.h>

using namespace tapir;

TEST_CASE("gradient of a product") {
  Tensor x = constant(3.0f);
  GradientTape tape;
  tape.watch(x);
  Tensor y = x * x;
  CHECK(tape.gradient(y, x).item<float>() == 6);
  CHECK_THROWS_AS((void)tape.gradient(y, x), UsageError);
}

TEST_CASE("higher order by nesting") {
  Tensor x = constant(3.0f);
  GradientTape outer;
  outer.watch(x);
  Tensor dy;
  {
    GradientTape inner;
    inner.watch(x);
    Tensor y = x * x * x;
    dy = inner.gradient(y, x);
  }
  CHECK(dy.item<float>() == 27);
  CHECK(outer.gradient(dy, x).item<float>() == 18);
}
