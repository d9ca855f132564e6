#include <doctest/doctest.h>

#include <tapir/test/ops/shape_reference.h>

using namespace shape_reference;

TEST_CASE("moving axes") {
  Tensor x = counted({2, 3, 4});
  CHECK(array_equal(moveaxis(x, 0, -1), permute_dims(x, {1, 2, 0})));
  CHECK(array_equal(moveaxis(x, {0, 1}, {2, 0}), permute_dims(x, {1, 2, 0})));
  CHECK(array_equal(moveaxis(x, {-1}, {0}), permute_dims(x, {2, 0, 1})));
  CHECK(array_equal(swapaxes(x, 0, -1), permute_dims(x, {2, 1, 0})));
  CHECK(array_equal(matrix_transpose(x), permute_dims(x, {0, 2, 1})));
  CHECK(matrix_transpose(x).data<double>() == x.data<double>());
  CHECK(message<UsageError>([&] { moveaxis(x, {0, 1}, 0); }) == "moveaxis: 2 axes to move, 1 places.");
  CHECK(message<ShapeError>([&] { moveaxis(x, 3, 0); }) == "moveaxis: axis 3 is out of range for rank 3.");
  CHECK(message<ShapeError>([&] { matrix_transpose(ones({3})); }) ==
        "matrix_transpose: needs at least 2 dimensions, got [3].");
}

TEST_CASE("dimensions of size 1") {
  Tensor x = counted({20, 3});
  for (int axis : {0, 1, 2, -1, -3}) {
    Shape s = x.shape();
    s.insert(axis < 0 ? axis + 3 : axis, 1);
    CHECK(expand_dims(x, axis).shape() == s);
    CHECK(expand_dims(x, axis).data<double>() == x.data<double>());
    CHECK(expand_dims(matrix_transpose(x), axis).data<double>() == x.data<double>());
    CHECK(array_equal(squeeze(expand_dims(x, axis)), x));
    CHECK(array_equal(squeeze(expand_dims(x, axis), axis), x));
  }
  CHECK(squeeze(ones({1, 2, 1})).shape() == Shape{2});
  CHECK(squeeze(ones({1, 2, 1}), 0).shape() == Shape{2, 1});
  CHECK(message<ShapeError>([&] { squeeze(x, 0); }) == "squeeze: axis 0 has size 20, not 1 ([20, 3]).");
  CHECK(message<ShapeError>([&] { expand_dims(x, 3); }) == "expand_dims: axis 3 is out of range for rank 3.");
  CHECK(flatten(x).shape() == Shape{60});
  CHECK(array_equal(ravel(strided(x)), ravel(x)));
  CHECK(flatten(constant(1)).shape() == Shape{1});
}

TEST_CASE("space_to_depth and depth_to_space") {
  Tensor x = counted({2, 4, 6, 3});
  Tensor y = space_to_depth(x, 2);
  CHECK(differs(y, {2, 2, 3, 12}, [&](const At& at) {
          return element(x, {at[0], at[1] * 2 + at[3] / 6, at[2] * 2 + at[3] / 3 % 2, at[3] % 3});
        }) == "");
  CHECK(array_equal(depth_to_space(y, 2), x));
  CHECK(message<ShapeError>([&] { space_to_depth(x, 4); }) ==
        "space_to_depth: height 4 and width 6 must be multiples of 4 ([2, 4, 6, 3]).");
  CHECK(message<ShapeError>([&] { depth_to_space(x, 2); }) ==
        "depth_to_space: 3 channels must be a multiple of 4 ([2, 4, 6, 3]).");
  CHECK(message<ShapeError>([&] { space_to_depth(ones({2}), 2); }) == "space_to_depth: needs [N, H, W, C], got [2].");
}

TEST_CASE("diagonals") {
  Tensor v = counted({3}) + 1.0;
  for (std::int64_t k : {-2, -1, 0, 1, 3}) {
    const std::int64_t n = 3 + std::abs(k);
    CHECK(differs(diag(v, k), {n, n},
                  [&](const At& at) { return at[1] - at[0] == k ? double(1 + std::min(at[0], at[1])) : 0.0; }) == "");
  }
  for (Shape s : {Shape{3, 5}, Shape{5, 3}, Shape{4, 4}})
    for (std::int64_t k = -6; k <= 6; ++k)
      for (bool turned : {false, true}) {
        Tensor x = counted(s);
        const std::int64_t d = std::max<std::int64_t>(0, k >= 0 ? std::min(s[0], s[1] - k) : std::min(s[0] + k, s[1]));
        CHECK(differs(diag(turned ? strided(x) : x, k), {d}, [&](const At& at) {
                return element(x, {at[0] + (k < 0 ? -k : 0), at[0] + (k > 0 ? k : 0)});
              }) == "");
      }
  Tensor batch = counted({2, 3, 4});
  CHECK(differs(diagonal(batch, 1), {2, 3}, [&](const At& at) {
          return element(batch, {at[0], at[1], at[1] + 1});
        }) == "");
  CHECK(array_equal(diagonal(diag_embed(batch, -2), -2), batch));
  CHECK(diag_embed(batch).shape() == Shape{2, 3, 4, 4});
  CHECK(message<ShapeError>([&] { diag(batch); }) ==
        "diag: needs a vector or a matrix, got [2, 3, 4]. For batches use diagonal or diag_embed.");
}

TEST_CASE("triangles") {
  for (Shape s : {Shape{3, 5}, Shape{5, 3}, Shape{2, 3, 4}})
    for (std::int64_t k = -6; k <= 6; ++k) {
      Tensor x = counted(s) + 1.0;
      const auto r = std::size_t(s.rank());
      CHECK(differs(tril(strided(x), k), s,
                    [&](const At& at) { return at[r - 1] - at[r - 2] <= k ? element(x, at) : 0.0; }) == "");
      CHECK(differs(triu(x, k), s, [&](const At& at) { return at[r - 1] - at[r - 2] >= k ? element(x, at) : 0.0; }) ==
            "");
    }
  CHECK(array_equal(tril(ones({2, 2}, DType::boolean)), tensor({{true, false}, {true, true}})));
  CHECK(message<ShapeError>([] { triu(ones({3})); }) == "triu: needs at least 2 dimensions, got [3].");
}

TEST_CASE("gradients of rearranging") {
  Tensor x = random::normal({3, 4}, {.dtype = DType::f64, .seed = 1});
  auto check = [&](auto f, const Tensor& at) {
    auto r = gradcheck(f, at, {.order = 2});
    CHECK_MESSAGE(r, r.str());
  };
  for (std::int64_t k : {-2, -1, 0, 1, 3}) {
    check([=](const Tensor& t) { return square(diag(t, k)); }, x);
    if (k < 3) check([=](const Tensor& t) { return square(diag(t, k)); }, matrix_transpose(x));
    check([=](const Tensor& t) { return square(diag_embed(t, k)); }, x);
    check([=](const Tensor& t) { return square(tril(t, k)); }, x);
    check([=](const Tensor& t) { return square(triu(t, k)); }, x);
  }
  check([](const Tensor& t) { return square(space_to_depth(reshape(t, {1, 2, 2, 3}), 2)); }, x);
  check(
      [](const Tensor& t) {
        return square(moveaxis(expand_dims(t, 0), 0, 2)) * squeeze(expand_dims(t, 2), 2).shape(0);
      },
      x);
}

// Copies of transposed tensors, against reading element by element: sizes around the tiles, all item sizes.
TEST_CASE("contiguous copies of permuted tensors") {
  const Shape shapes[] = {{5, 7},   {16, 16},    {64, 64},       {70, 130},     {3, 200},
                          {200, 3}, {2, 33, 65}, {3, 20, 5, 18}, {1, 90, 1, 70}};
  for (DType d : {DType::u8, DType::i16, DType::f32, DType::f64})
    for (auto& s : shapes) {
      CAPTURE(s.str());
      Tensor x = random::integers(s, 0, 100, {.dtype = DType::i64, .seed = 1}).astype(d);
      std::vector<std::int64_t> order;
      for (int i = 0; i < s.rank(); ++i) order.push_back(i);
      do {
        Tensor view = permute_dims(x, order), dense = contiguous(view);
        CHECK(dense.is_contiguous());
        CHECK(differs(dense, view.shape(), [&](const At& at) { return element(view, at); }) == "");
      } while (std::next_permutation(order.begin(), order.end()));
    }
}
