#include <doctest/doctest.h>

#include <tapir/test/ops/shape_reference.h>

using namespace shape_reference;

TEST_CASE("concat along every axis, dense and strided, every dtype") {
  for (DType d :
       {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i16, DType::i32, DType::i64})
    for (int axis : {0, 1, 2, -1}) {
      const int n = axis < 0 ? 2 : axis;
      Shape sa{2, 3, 4}, sb{2, 3, 4}, sum{2, 3, 4};
      sb[n] = 5;
      sum[n] = sa[n] + 5;
      Tensor a = counted(sa, d), b = counted(sb, d);
      for (bool turned : {false, true}) {
        Tensor y = concat({turned ? strided(a) : a, turned ? strided(b) : b}, {.axis = axis});
        CHECK(y.dtype() == d);
        CHECK(differs(y, sum, [&](At at) {
                if (at[std::size_t(n)] < sa[n]) return element(a, at);
                at[std::size_t(n)] -= sa[n];
                return element(b, at);
              }) == "");
      }
    }
  CHECK(concat({zeros({0, 3}), ones({2, 3}), zeros({0, 3})}).shape() == Shape{2, 3});
  CHECK(array_equal(concat({tensor({true}), tensor({false, true})}), tensor({true, false, true})));
  Tensor big = random::normal({300, 700}, {.seed = 1});
  CHECK(array_equal(concat(split(big, 7, {.axis = 1}), {.axis = 1}), big));
}

TEST_CASE("concat and stack promote dtypes") {
  CHECK(concat({tensor({1}, DType::i8), tensor({2}, DType::u8)}).dtype() == DType::i16);
  CHECK(stack({tensor({1}, DType::f16), tensor({2}, DType::f32)}).dtype() == DType::f32);
  CHECK(stack({constant(1.0f), Tensor(2.0)}).dtype() == DType::f32);
  CHECK(message<DTypeError>([] {
          concat({ones({1}), ones({1}, DType::i64)});
        }) == "concat: dtypes differ, f32 vs i64. Cast one side: y.astype(DType::f32).");
}

TEST_CASE("what joining refuses") {
  CHECK(message<ShapeError>([] {
          concat({ones({2, 3}), ones({3, 3})}, {.axis = 1});
        }) == "concat: shapes may differ along axis 1 only ([2, 3], [3, 3]).");
  CHECK(message<ShapeError>([] {
          concat({ones({2, 3}), ones({2})});
        }) == "concat: shapes may differ along axis 0 only ([2, 3], [2]).");
  CHECK(message<ShapeError>([] { concat({constant(1.0f)}); }) ==
        "concat: a scalar has no axis to join along. Use stack.");
  CHECK(message<ShapeError>([] { concat({ones({2})}, {.axis = 1}); }) == "concat: axis 1 is out of range for rank 1.");
  CHECK(message<ShapeError>([] { stack({ones({2}), ones({3})}); }) == "stack: shapes must be equal, [2] vs [3].");
  CHECK(message<UsageError>([] { stack({}); }) == "stack: the list of tensors is empty.");
  CHECK(message<UsageError>([] { concat({ones({2}), Tensor()}); }) == "concat: the list holds an undefined tensor.");
  CHECK(message<ShapeError>([] { split(ones({5}), 2); }) ==
        "split: axis 0 has size 5, which is not a multiple of 2 ([5]).");
  CHECK(message<ShapeError>([] {
          split(ones({5}), {2, 2});
        }) == "split: the sizes sum to 4, but axis 0 has size 5 ([5]).");
  CHECK(message<ShapeError>([] { narrow(ones({5}), 0, 3, 3); }) ==
        "narrow: 3 elements from 3 on do not exist along axis 0 ([5]).");
  CHECK(message<ShapeError>([] { tile(ones({5}), {-1}); }) == "tile: negative number of repetitions, -1 along axis 0.");
}

TEST_CASE("stack and unstack") {
  Tensor a = counted({2, 3}), b = a * 10.0, c = a + 100.0;
  const Tensor parts[] = {a, b, c};
  for (int axis : {0, 1, 2, -1}) {
    const auto n = std::size_t(axis < 0 ? 2 : axis);
    Shape s{2, 3};
    s.insert(int(n), 3);
    Tensor y = stack({a, strided(b), c}, {.axis = axis});
    CHECK(differs(y, s, [&](At at) {
            const Tensor& from = parts[at[n]];
            at.erase(at.begin() + std::ptrdiff_t(n));
            return element(from, at);
          }) == "");
    auto back = unstack(strided(y), {.axis = axis});
    REQUIRE(back.size() == 3);
    for (int i = 0; i < 3; ++i) CHECK(array_equal(back[std::size_t(i)], parts[i]));
  }
  CHECK(unstack(zeros({0, 2})).empty());
}

TEST_CASE("split by number and by sizes") {
  Tensor x = counted({4, 30});
  auto three = split(x, 3, {.axis = 1});
  REQUIRE(three.size() == 3);
  CHECK(array_equal(three[2], narrow(x, 1, 20, 10)));
  std::vector<std::int64_t> sizes{1, 2, 3, 0, 4, 5, 6, 1, 1, 1, -1};  // more than attributes hold
  auto parts = split(x, sizes, {.axis = -1});
  REQUIRE(parts.size() == sizes.size());
  CHECK(parts.back().shape() == Shape{4, 6});
  CHECK(array_equal(concat(parts, {.axis = 1}), x));
}

TEST_CASE("tile and repeat") {
  Tensor x = counted({2, 3});
  for (Shape reps : {Shape{2, 3}, Shape{1, 1}, Shape{3, 1}, Shape{1, 2}, Shape{4}, Shape{2, 1, 3}, Shape{0, 2}}) {
    CAPTURE(reps.str());
    Shape padded = reps.rank() < 2 ? Shape{1, reps[0]} : reps, s;
    const int lead = padded.rank() - 2;
    for (int i = 0; i < padded.rank(); ++i) s.push_back(padded[i] * (i < lead ? 1 : x.shape()[i - lead]));
    CHECK(differs(tile(strided(x), reps), s, [&](const At& at) {
            return element(x, {at[std::size_t(lead)] % 2, at[std::size_t(lead) + 1] % 3});
          }) == "");
  }
  Tensor deep = counted({1, 2, 1, 2, 1, 2, 2, 1});  // more dimensions than fit when each is seen as two
  CHECK(differs(tile(deep, {2, 2, 2, 2, 2, 2, 2, 2}), {2, 4, 2, 4, 2, 4, 4, 2}, [&](At at) {
          for (std::size_t i = 0; i < 8; ++i) at[i] %= deep.shape()[int(i)];
          return element(deep, at);
        }) == "");
  for (int axis : {0, 1}) {
    Shape s{2, 3};
    s[axis] *= 4;
    CHECK(differs(repeat(x, 4, {.axis = axis}), s, [&](At at) {
            at[std::size_t(axis)] /= 4;
            return element(x, at);
          }) == "");
  }
}

TEST_CASE("gradients of joining") {
  Tensor a = random::normal({2, 3}, {.dtype = DType::f64, .seed = 1});
  Tensor b = random::normal({2, 2}, {.dtype = DType::f64, .seed = 2});
  Tensor c = random::normal({2, 3}, {.dtype = DType::f64, .seed = 3});
  using List = std::vector<Tensor>;
  auto check = [](auto f, const List& in) {
    auto r = gradcheck(f, in, {.order = 2});
    CHECK_MESSAGE(r, r.str());
  };
  check([](const List& x) { return square(concat({x[0], x[1], x[0]}, {.axis = 1})); }, {a, b});
  check([](const List& x) { return square(stack({x[0], x[1], x[0]}, {.axis = 1})); }, {a, c});
  check(
      [](const List& x) {
        auto p = split(x[0], {1, 1, 1}, {.axis = 1});
        return square(p[0]) * p[2];  // nothing flows through p[1]
      },
      {a});
  check(
      [](const List& x) {
        auto p = unstack(x[0], {.axis = 1});
        return square(p[0]) * p[2];
      },
      {a});
  check([](const List& x) { return square(narrow(x[0], 1, 1, 2)); }, {a});
  check([](const List& x) { return square(tile(x[0], {2, 2})); }, {a});
  check([](const List& x) { return square(repeat(x[0], 3, {.axis = 1})); }, {a});
}
