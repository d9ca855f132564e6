#include <doctest/doctest.h>

#include <tapir/test/ops/shape_reference.h>

#include <cmath>

using namespace shape_reference;

TEST_CASE("allclose follows NumPy's formula") {
  Tensor a = tensor({1.0, 100.0}, DType::f64);
  CHECK(allclose(a, a * (1 + 0.9e-5)));
  CHECK_FALSE(allclose(a, a * (1 + 1.1e-5)));
  CHECK(allclose(tensor({0.0}, DType::f64), tensor({0.9e-8}, DType::f64)));
  CHECK_FALSE(allclose(tensor({0.0}, DType::f64), tensor({1.1e-8}, DType::f64)));
  CHECK(allclose(a, a + 0.5, {.atol = 0.6}));
  CHECK(allclose(tensor({1.0}, DType::f64), tensor({2.0}, DType::f64), {.rtol = 0.5}));
  CHECK_FALSE(allclose(tensor({2.0}, DType::f64), tensor({1.0}, DType::f64), {.rtol = 0.5}));  // relative to b
  CHECK(allclose(ones({3, 2}), 1));
  CHECK(allclose(ones({3, 2}), ones({3, 1}, DType::i32)));
  CHECK(allclose(tensor({INFINITY, -INFINITY}), tensor({INFINITY, -INFINITY})));
  CHECK_FALSE(allclose(tensor({INFINITY}), tensor({-INFINITY})));
  CHECK_FALSE(allclose(tensor({INFINITY}), tensor({1.0f})));
  CHECK_FALSE(allclose(tensor({1.0f}), tensor({INFINITY})));
  CHECK_FALSE(allclose(tensor({NAN}), tensor({NAN})));
  CHECK(allclose(tensor({NAN}), tensor({NAN}), {.equal_nan = true}));
  CHECK_FALSE(allclose(tensor({NAN}), tensor({1.0f}), {.equal_nan = true}));
  CHECK(allclose(zeros({0}), ones({0})));
  Tensor x = random::normal({1000, 3}, {.seed = 1});
  CHECK(allclose(matrix_transpose(x), contiguous(matrix_transpose(x))));
  Tensor y = concat({x, tensor({{0.0f, 0.0f, 1.0f}})});
  CHECK_FALSE(allclose(y, concat({x, zeros({1, 3})})));  // the very last element
  CHECK(message<ShapeError>([] { allclose(ones({2}), ones({3})); }) ==
        "allclose: shapes [2] and [3] do not broadcast.");
  CHECK(message<UsageError>([] { allclose(Tensor::only_spec({2}, DType::f32), 1); }) ==
        "allclose: this tensor has no value yet, it is being traced by function(). Compare with operations, all(abs(x "
        "- y) < 1e-6), "
        "for cond() or check().");
}

TEST_CASE("array_equal") {
  Tensor a = tensor({1, 2, 3});
  CHECK(array_equal(a, a));
  CHECK(array_equal(a, a.astype(DType::f64)));
  CHECK_FALSE(array_equal(a, tensor({1, 2, 4})));
  CHECK_FALSE(array_equal(ones({1, 2}), ones({2})));
  CHECK_FALSE(array_equal(tensor({NAN}), tensor({NAN})));
  auto i64 = [](std::int64_t v) { return Tensor::from_vector(std::vector<std::int64_t>{v}); };
  CHECK_FALSE(array_equal(i64(INT64_MAX), i64(INT64_MAX - 1)));  // equal in f64
}
