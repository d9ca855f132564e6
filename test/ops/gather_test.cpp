#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/thrown.h>

#include <cmath>

using namespace tapir;
using V = std::vector<double>;

static V values(const Tensor& t) { return t.astype(DType::f64).to_vector<double>(); }
static Tensor waves(const Shape& shape) {
  V v(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(1.3 * double(i) + 0.2);
  return Tensor::from_vector(v, shape);
}
template <class F>
static void check_gradient(F f, const std::vector<Tensor>& in) {
  GradcheckResult r = gradcheck([&](const std::vector<Tensor>& v) { return square(f(v)) * f(v); }, in, {.order = 2});
  CHECK_MESSAGE(r.ok, r.report);
}
TEST_CASE("take") {
  Tensor x = tensor({{1.0f, 2.0f, 3.0f}, {4.0f, 5.0f, 6.0f}});
  CHECK(values(take(x, tensor({2, 0, -1}), 1)) == V{3, 1, 3, 6, 4, 6});
  CHECK(take(x, tensor({{0, 1}, {1, 1}}), 0).shape() == Shape({2, 2, 3}));
  CHECK(take(x, constant(1), 0).shape() == Shape({3}));
  CHECK(take(x, zeros({0}, DType::i32), 0).shape() == Shape({0, 3}));
  CHECK(values(take(permute_dims(x, {1, 0}), tensor({2}), 0)) == V{3, 6});
  CHECK(message<UsageError>([&] { take(x, tensor({5}), 1); }) == "take: index 5 is out of range for size 3.");
  CHECK(message<DTypeError>([&] { take(x, tensor({1.0f})); }) ==
        "take: indices must be integers, got f32. Cast them: i.astype(DType::i64).");
  check_gradient([](auto& v) { return take(v[0], tensor({2, 0, 2}), 1); }, {waves({2, 3, 2})});
}

TEST_CASE("take_along_axis") {
  Tensor x = tensor({{10, 30, 20}, {60, 40, 50}});
  CHECK(values(take_along_axis(x, tensor({{0, 2, 1}, {1, 2, 0}}), 1)) == V{10, 20, 30, 40, 50, 60});
  CHECK(values(take_along_axis(x, tensor({{1, 0, -1}}), 0)) == V{60, 30, 50});
  check_gradient([](auto& v) { return take_along_axis(v[0], tensor({{0, 0}, {2, 1}}), 1); }, {waves({2, 3})});
}

TEST_CASE("gather_nd") {
  Tensor x = tensor({{1.0f, 2.0f}, {3.0f, 4.0f}});
  CHECK(values(gather_nd(x, tensor({{0, 0}, {1, 1}}))) == V{1, 4});
  CHECK(values(gather_nd(x, tensor({{1}, {0}}))) == V{3, 4, 1, 2});
  CHECK_THROWS_AS(gather_nd(x, tensor({{0, 0, 0}})), ShapeError);
  CHECK_THROWS_AS(gather_nd(x, tensor({{0, 2}})), UsageError);
  check_gradient([](auto& v) { return gather_nd(v[0], tensor({{1, 0}, {1, 0}, {0, 2}})); }, {waves({2, 3, 2})});
}

TEST_CASE("scatter_nd adds duplicates up") {
  CHECK(values(scatter_nd(tensor({{4}, {3}, {1}, {4}}), tensor({9.0f, 10.0f, 11.0f, 12.0f}), {6})) ==
        V{0, 11, 0, 10, 21, 0});
  CHECK(message<ShapeError>([] {
          scatter_nd(tensor({{4}}), tensor({9.0f, 10.0f}), {6});
        }) == "scatter_nd: updates must have shape [1] (indices [1, 1], tensor [6]), got [2].");
  check_gradient(
      [](auto& v) {
        return scatter_nd(tensor({{1, 0}, {1, 0}, {0, 2}}), v[0], {2, 3, 2});
      },
      {waves({3, 2})});
}

TEST_CASE("tensor_scatter") {
  Tensor x = tensor({1.0f, 5.0f, 3.0f}), i = tensor({{0}, {2}}), u = tensor({4.0f, 2.0f});
  CHECK(values(tensor_scatter_add(x, i, u)) == V{5, 5, 5});
  CHECK(values(tensor_scatter_update(x, i, u)) == V{4, 5, 2});
  CHECK(values(tensor_scatter_min(x, i, u)) == V{1, 5, 2});
  CHECK(values(tensor_scatter_max(x, i, u)) == V{4, 5, 3});
  CHECK(values(x) == V{1, 5, 3});
  Tensor places = tensor({{3}, {0}, {3}}), distinct = tensor({{3}, {0}, {1}});
  std::vector<Tensor> in{waves({4, 2}), waves({3, 2}) * 1.1 + 0.05};
  check_gradient([&](auto& v) { return tensor_scatter_add(v[0], places, v[1]); }, in);
  check_gradient([&](auto& v) { return tensor_scatter_update(v[0], distinct, v[1]); }, in);
  check_gradient([&](auto& v) { return tensor_scatter_min(v[0], places, v[1]); }, in);
  check_gradient([&](auto& v) { return tensor_scatter_max(v[0], places, v[1]); }, in);
}

TEST_CASE("boolean_mask and nonzero") {
  Tensor x = tensor({{1, 0, 3}, {0, 5, 0}});
  auto places = nonzero(x);
  REQUIRE(places.size() == 2);
  CHECK(values(places[0]) == V{0, 0, 1});
  CHECK(values(places[1]) == V{0, 2, 1});
  CHECK(values(boolean_mask(x, x > 0)) == V{1, 3, 5});
  CHECK(values(boolean_mask(x, tensor({false, true}))) == V{0, 5, 0});
  CHECK_THROWS_AS(boolean_mask(x, tensor({1, 0})), DTypeError);
  CHECK_THROWS_AS(boolean_mask(x, tensor({true, false, true})), ShapeError);
  check_gradient([](auto& v) { return boolean_mask(v[0], tensor({true, false, true})); }, {waves({3, 2})});
}

TEST_CASE("one_hot") {
  CHECK(values(one_hot(tensor({0, 2, 7, -1}), 3)) == V{1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0});
  CHECK(values(one_hot(tensor({1}), 2, {.on_value = 5, .off_value = -1})) == V{-1, 5});
  CHECK(values(one_hot(tensor({1, 0}), 2, {.axis = 0})) == V{0, 1, 1, 0});
  CHECK(one_hot(tensor({1}), 4, {.dtype = DType::boolean}).dtype() == DType::boolean);
  CHECK_THROWS_AS(one_hot(tensor({1.0f}), 2), DTypeError);
}

TEST_CASE("every dtype is taken and scattered") {
  for (DType d :
       {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i16, DType::i32, DType::i64}) {
    CAPTURE(name_of(d));
    Tensor x = tensor({1, 2, 3}).astype(d), u = tensor({10, 20}).astype(d);
    CHECK(values(take(x, tensor({2, 0}))) == V{3, 1});
    CHECK(values(tensor_scatter_add(x, tensor({{0}, {0}}), u)) == V{31, 2, 3});
  }
  CHECK(values(take(tensor({true, false}), tensor({1, 0}))) == V{0, 1});
}
