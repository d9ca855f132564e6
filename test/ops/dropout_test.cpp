#include <doctest/doctest.h>

#include <tapir/test/ops/shape_reference.h>

using namespace shape_reference;

TEST_CASE("dropout keeps, scales and drops") {
  Tensor x = random::normal({100, 1000}, {.seed = 1});
  for (double rate : {0.1, 0.5, 0.9}) {
    Tensor y = dropout(x, rate, {.seed = 2});
    Tensor dropped = equal(y, 0.0f).astype(DType::f64);
    CHECK(mean(dropped).item<double>() == doctest::Approx(rate).epsilon(0.02));
    CHECK(allclose(y, where(equal(y, 0.0f), y, x * (1 / (1 - rate))), {.rtol = 1e-6}));
  }
  CHECK(array_equal(dropout(x, 0), x));
  CHECK(array_equal(dropout(x, 0.5, {.seed = 3}), dropout(x, 0.5, {.seed = 3})));
  CHECK_FALSE(array_equal(dropout(x, 0.5), dropout(x, 0.5)));
  CHECK(array_equal(dropout(strided(x), 0.5, {.seed = 3}), dropout(x, 0.5, {.seed = 3})));
  CHECK(array_equal(equal(dropout(x, 0.5, {.seed = 3}), 0.0f),
                    equal(dropout(x.astype(DType::f64), 0.5, {.seed = 3}), 0.0)));
  CHECK(dropout(x.astype(DType::bf16), 0.5).dtype() == DType::bf16);
  CHECK(dropout(zeros({0}), 0.5).shape() == Shape{0});
}

TEST_CASE("what dropout refuses") {
  CHECK(message<UsageError>([] { dropout(ones({2}), 1); }) == "dropout: rate must be in [0, 1), got 1.");
  CHECK(message<UsageError>([] { dropout(ones({2}), -0.1); }) == "dropout: rate must be in [0, 1), got -0.1.");
  CHECK(message<DTypeError>([] { dropout(ones({2}, DType::i32), 0.5); }) ==
        "dropout: needs a floating dtype, got i32. Cast it first: x.astype(DType::f32).");
}

TEST_CASE("the gradient uses the same mask") {
  Tensor x = ones({1000});
  GradientTape tape;
  tape.watch(x);
  Tensor y = dropout(x, 0.4);  // from the global generator
  CHECK(array_equal(tape.gradient(y, x), y));
  auto r = gradcheck([](const Tensor& t) { return square(dropout(t, 0.5, {.seed = 4})); },
                     random::normal({20}, {.dtype = DType::f64, .seed = 1}), {.order = 2});
  CHECK_MESSAGE(r, r.str());
}
