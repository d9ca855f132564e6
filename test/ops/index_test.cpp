// NumPy's answers, by hand and by a loop.
#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/thrown.h>

#include <cmath>

using namespace tapir;
using V = std::vector<std::int64_t>;

static Tensor counted(const Shape& shape) {
  V v(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::int64_t(i);
  return Tensor::from_vector(v, shape);
}
static V values(const Tensor& t) { return t.to_vector<std::int64_t>(); }

TEST_CASE("integers drop their dimension") {
  Tensor x = counted({3, 4});
  CHECK(values(x[1]) == V{4, 5, 6, 7});
  CHECK(values(x[-1]) == V{8, 9, 10, 11});
  CHECK(x(2, 3).item<std::int64_t>() == 11);
  CHECK(x(2, 3).shape() == Shape{});
  CHECK(message<ShapeError>([&] { x[3]; }) == "index: 3 is out of range for dimension 0 of [3, 4].");
  CHECK(message<ShapeError>([&] { x(0, 0, 0); }) == "index: 3 indices for a tensor of rank 2 ([3, 4]).");
}

TEST_CASE("slices, steps, ellipsis, new axes") {
  Tensor x = counted({10});
  CHECK(values(x[Slice(2, 5)]) == V{2, 3, 4});
  CHECK(values(x[Slice(none, none, 3)]) == V{0, 3, 6, 9});
  CHECK(values(x[Slice(none, none, -1)]) == V{9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
  CHECK(values(x[Slice(8, 2, -2)]) == V{8, 6, 4});
  CHECK(values(x[Slice(-3, none)]) == V{7, 8, 9});
  CHECK(values(x[Slice(5, 100)]) == V{5, 6, 7, 8, 9});
  CHECK(x[Slice(5, 2)].shape() == Shape({0}));
  CHECK_THROWS_AS(x[Slice(0, 5, 0)], ShapeError);
  Tensor y = counted({2, 3, 4});
  CHECK(y(ellipsis, 0).shape() == Shape({2, 3}));
  CHECK(values(y(ellipsis, 1)) == V{1, 5, 9, 13, 17, 21});
  CHECK(y(0, ellipsis, newaxis).shape() == Shape({3, 4, 1}));
  CHECK(y(newaxis, ellipsis).shape() == Shape({1, 2, 3, 4}));
  CHECK(values(y(Slice(), 1, Slice(1, 3))) == V{5, 6, 17, 18});
  CHECK_THROWS_AS(y(ellipsis, ellipsis), UsageError);
  CHECK(!y(Slice(), 1).is_contiguous());  // a view
}

TEST_CASE("integer tensors pick, and broadcast together") {
  Tensor x = counted({3, 4});
  CHECK(values(x[{2, 0}]) == V{8, 9, 10, 11, 0, 1, 2, 3});
  CHECK(values(x({0, 2}, {1, -1})) == V{1, 11});
  Tensor rows = tensor({{0}, {2}});
  CHECK(values(x(rows, {1, 3})) == V{1, 3, 9, 11});
  CHECK(values(x(Slice(), {3, 0})) == V{3, 0, 7, 4, 11, 8});
  CHECK(message<UsageError>([&] { x[tensor({3})]; }) == "take: index 3 is out of range for size 3.");
  CHECK_THROWS_AS(x[tensor({1.0f})], DTypeError);
}

TEST_CASE("where the picked dimensions go, as in NumPy") {
  Tensor x = counted({2, 3, 4, 5}), i = tensor({0, 1, 1, 0, 1, 0});
  CHECK(x(Slice(), i).shape() == Shape({2, 6, 4, 5}));
  CHECK(x(Slice(), i, i).shape() == Shape({2, 6, 5}));  // neighbours: in their place
  CHECK(x(i, Slice(), i).shape() == Shape({6, 3, 5}));  // apart: first
  CHECK(x(Slice(), i, Slice(), i).shape() == Shape({6, 2, 4}));
  CHECK(x(0, Slice(), i).shape() == Shape({6, 3, 5}));  // an integer beside a tensor picks too
  V y = values(x(Slice(), i, i)), n = values(i.astype(DType::i64));
  for (int b = 0; b < 2; ++b)
    for (int k = 0; k < 6; ++k)
      for (int j = 0; j < 5; ++j)
        CHECK(y[std::size_t((b * 6 + k) * 5 + j)] == ((b * 3 + n[std::size_t(k)]) * 4 + n[std::size_t(k)]) * 5 + j);
}

TEST_CASE("bool tensors pick where they are true") {
  Tensor x = counted({2, 3});
  CHECK(values(x[x > 2]) == V{3, 4, 5});
  CHECK(values(x[tensor({false, true})]) == V{3, 4, 5});
  CHECK(values(x(Slice(), tensor({true, false, true}))) == V{0, 2, 3, 5});
  CHECK(x[x > 100].shape() == Shape({0}));
  CHECK_THROWS_AS(x[tensor({true, false, true})], ShapeError);
}

TEST_CASE("gradients flow through every kind of index, twice") {
  std::vector<double> v(24);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = std::sin(double(i));
  Tensor x = Tensor::from_vector(v, {2, 3, 4}), twice = tensor({1, 1, 0});
  auto check = [&](auto f) {
    GradcheckResult r = gradcheck([&](const Tensor& t) { return square(f(t)) * f(t); }, x, {.order = 2});
    CHECK_MESSAGE(r.ok, r.report);
  };
  check([](const Tensor& t) { return t[1]; });
  check([](const Tensor& t) { return t(ellipsis, Slice(none, none, -2)); });
  check([](const Tensor& t) { return t(Slice(1), newaxis, 2, Slice(1, 3)); });
  check([&](const Tensor& t) { return t(Slice(), twice); });
  check([&](const Tensor& t) { return t(0, Slice(), twice); });
  check([&](const Tensor& t) { return t(twice, twice, twice); });
  check([&](const Tensor& t) { return t[x > 0.0]; });
}
