#include <doctest/doctest.h>

#include <tapir/test/ops/shape_reference.h>

#include <cmath>

using namespace shape_reference;

TEST_CASE("arange") {
  CHECK(array_equal(arange(5), tensor({0, 1, 2, 3, 4})));
  CHECK(arange(5).dtype() == DType::i32);
  CHECK(arange(std::int64_t(5)).dtype() == DType::i64);
  CHECK(arange(5.0).dtype() == DType::f32);
  CHECK(arange(5, {.dtype = DType::f64}).dtype() == DType::f64);
  CHECK(array_equal(arange(2, 11, 3), tensor({2, 5, 8})));
  CHECK(array_equal(arange(5, 0, -2), tensor({5, 3, 1})));
  CHECK(array_equal(arange(0.0, 1.0, 0.25), tensor({0.0f, 0.25f, 0.5f, 0.75f})));
  CHECK(array_equal(arange(0, 2, 0.5), tensor({0.0f, 0.5f, 1.0f, 1.5f})));
  CHECK(arange(5, 5).shape() == Shape{0});
  CHECK(arange(5, 2).shape() == Shape{0});
  CHECK(arange(5.0, 2.0).shape() == Shape{0});
  CHECK(array_equal(arange(INT64_MIN, INT64_MAX, INT64_MAX),
                    Tensor::from_vector(std::vector<std::int64_t>{INT64_MIN, -1, INT64_MAX - 1})));
  Tensor big = arange(100003, {.dtype = DType::i64});
  auto v = big.to_vector<std::int64_t>();
  bool right = true;
  for (std::size_t i = 0; i < v.size(); ++i) right &= v[i] == std::int64_t(i);
  CHECK(right);
  CHECK(message<UsageError>([] { arange(0, 5, 0); }) == "arange: step must not be 0.");
  CHECK(message<UsageError>([] { arange(0.0, INFINITY); }) ==
        "arange: start, stop and step must be finite, got 0, inf and 1.");
  CHECK(message<ShapeError>([] { arange(INT64_MAX); }) ==
        "arange: 9223372036854775807 elements are too many to have in memory.");
}

TEST_CASE("linspace") {
  CHECK(array_equal(linspace(0.0, 1.0, 5), tensor({0.0f, 0.25f, 0.5f, 0.75f, 1.0f})));
  CHECK(array_equal(linspace(0.0, 1.0, 4, {.endpoint = false}), tensor({0.0f, 0.25f, 0.5f, 0.75f})));
  CHECK(array_equal(linspace(2, 3, 1), tensor({2.0f})));
  CHECK(linspace(0, 1, 0).shape() == Shape{0});
  Tensor t = linspace(0.1, 0.7, 7, {.dtype = DType::f64});
  CHECK(t.to_vector<double>().back() == 0.7);
  CHECK(message<UsageError>([] { linspace(0, 1, -1); }) == "linspace: num must be at least 0, got -1.");
}

TEST_CASE("eye") {
  CHECK(array_equal(eye(2), tensor({{1.0f, 0.0f}, {0.0f, 1.0f}})));
  for (std::int64_t k = -4; k <= 4; ++k)
    CHECK(differs(eye(3, 4, {.k = k, .dtype = DType::i32}), {3, 4}, [&](const At& at) { return at[1] - at[0] == k; }) ==
          "");
  CHECK(eye(0).shape() == Shape{0, 0});
  CHECK(message<ShapeError>([] { eye(-1); }) == "eye: negative size -1 of axis 0.");
}

TEST_CASE("meshgrid") {
  Tensor a = tensor({1, 2, 3}), b = tensor({4, 5});
  auto xy = meshgrid({a, b});
  CHECK(array_equal(xy[0], tensor({{1, 2, 3}, {1, 2, 3}})));
  CHECK(array_equal(xy[1], tensor({{4, 4, 4}, {5, 5, 5}})));
  auto ij = meshgrid({a, b}, {.indexing = "ij"});
  CHECK(array_equal(ij[0], matrix_transpose(xy[0])));
  CHECK(array_equal(ij[1], matrix_transpose(xy[1])));
  CHECK(meshgrid({a, b, tensor({1, 2, 3, 4})})[2].shape() == Shape{2, 3, 4});
  CHECK(meshgrid({a})[0].shape() == Shape{3});
  CHECK(message<UsageError>([&] { meshgrid({a}, {.indexing = "yx"}); }) ==
        "meshgrid: indexing is \"xy\" or \"ij\", got \"yx\".");
  CHECK(message<ShapeError>([&] { meshgrid({eye(2)}); }) == "meshgrid: needs vectors, got [2, 2].");
}
