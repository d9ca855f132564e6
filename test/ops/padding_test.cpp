#include <doctest/doctest.h>

#include <tapir/test/ops/shape_reference.h>

using namespace shape_reference;

namespace {

// The source of a padded element by following NumPy's rule one step at a time; -1 for the constant.
std::int64_t source(std::int64_t i, std::int64_t n, PadMode mode) {
  if (i >= 0 && i < n) return i;
  if (mode == PadMode::constant) return -1;
  if (mode == PadMode::edge) return i < 0 ? 0 : n - 1;
  std::vector<std::int64_t> mirror;  // one period
  for (std::int64_t k = 0; k < n; ++k) mirror.push_back(k);
  for (std::int64_t k = n - 1 - (mode == PadMode::reflect); k >= (mode == PadMode::reflect ? 1 : 0); --k)
    mirror.push_back(k);
  const auto p = std::int64_t(mirror.size());
  return mirror[std::size_t(((i % p) + p) % p)];
}

constexpr PadMode modes[] = {PadMode::constant, PadMode::reflect, PadMode::symmetric, PadMode::edge};

}  // namespace

TEST_CASE("pad in every mode, dense and strided") {
  const Paddings widths[] = {
      {{2, 1}, {0, 3}, {1, 1}}, {{0, 0}, {2, 2}, {0, 0}}, {{0, 0}, {0, 0}, {1, 2}}, {{1, 0}, {0, 0}, {0, 0}}};
  for (DType d : {DType::f64, DType::f32, DType::bf16, DType::i8, DType::i64})
    for (PadMode mode : modes)
      for (auto& w : widths)
        for (bool turned : {false, true}) {
          Tensor x = counted({3, 4, 3}, d);
          Shape s = x.shape();
          for (int i = 0; i < 3; ++i) s[i] += w[std::size_t(i)].first + w[std::size_t(i)].second;
          Tensor y = pad(turned ? strided(x) : x, w, {.mode = mode, .value = mode == PadMode::constant ? 7.0 : 0.0});
          CHECK(y.dtype() == d);
          CHECK(differs(y, s, [&](At at) {
                  for (std::size_t i = 0; i < 3; ++i) {
                    at[i] = source(at[i] - w[i].first, x.shape()[int(i)], mode);
                    if (at[i] < 0) return 7.0;
                  }
                  return element(x, at);
                }) == "");
        }
  CHECK(array_equal(pad(tensor({true}), {{1, 1}}), tensor({false, true, false})));
  CHECK(array_equal(pad(zeros({0}), {{1, 1}}, {.value = 2}), tensor({2.0f, 2.0f})));
}

TEST_CASE("what pad refuses") {
  CHECK(message<ShapeError>([] {
          pad(ones({3}), {{1, 1}, {0, 0}});
        }) == "pad: 2 pairs of widths for a tensor of rank 1 ([3]).");
  CHECK(message<ShapeError>([] {
          pad(ones({3}), {{-1, 1}});
        }) == "pad: negative width (-1, 1) for axis 0. Use narrow to cut.");
  CHECK(message<ShapeError>([] {
          pad(ones({3}), {{3, 0}}, {.mode = PadMode::reflect});
        }) == "pad: reflect can add at most 2 elements to axis 0 of size 3, not (3, 0).");
  CHECK(message<ShapeError>([] {
          pad(ones({3}), {{0, 4}}, {.mode = PadMode::symmetric});
        }) == "pad: symmetric can add at most 3 elements to axis 0 of size 3, not (0, 4).");
  CHECK(message<ShapeError>([] {
          pad(ones({0}), {{0, 1}}, {.mode = PadMode::edge});
        }) == "pad: edge can add at most 0 elements to axis 0 of size 0, not (0, 1).");
}

TEST_CASE("flip is a view") {
  Tensor x = counted({3, 4});
  CHECK(differs(flip(x), {3, 4}, [&](const At& at) { return element(x, {2 - at[0], 3 - at[1]}); }) == "");
  CHECK(differs(flip(strided(x), {.axis = -1}), {3, 4}, [&](const At& at) {
          return element(x, {at[0], 3 - at[1]});
        }) == "");
  CHECK(array_equal(flip(flip(x, {.axis = 0}), {.axis = 0}), x));
  CHECK(array_equal(contiguous(flip(x)), flip(x)));
  CHECK(array_equal(flip(x) + 0.0, flip(x)));
  Tensor small = tensor({1, 2, 3});
  CHECK(array_equal(flip(small), tensor({3, 2, 1})));
  Tensor big = random::normal({1000, 37}, {.seed = 3});
  CHECK(flip(big).data<float>() >= big.data<float>());
  CHECK(flip(big).data<float>() < big.data<float>() + big.size());
  CHECK(array_equal(contiguous(flip(big, {.axis = 1})), flip(big, {.axis = 1})));
  CHECK(flip(zeros({0, 3})).shape() == Shape{0, 3});
}

TEST_CASE("roll") {
  Tensor x = counted({3, 4});
  auto mod = [](std::int64_t a, std::int64_t n) { return ((a % n) + n) % n; };
  for (int s : {0, 1, -1, 3, 5, -7})
    for (bool turned : {false, true}) {
      const Tensor& t = turned ? strided(x) : x;
      CHECK(differs(roll(t, s, {.axis = 0}), {3, 4}, [&](const At& at) {
              return element(x, {mod(at[0] - s, 3), at[1]});
            }) == "");
      CHECK(differs(roll(t, {s, 2}, {.axis = {0, 1}}), {3, 4}, [&](const At& at) {
              return element(x, {mod(at[0] - s, 3), mod(at[1] - 2, 4)});
            }) == "");
      CHECK(differs(roll(t, s), {3, 4}, [&](const At& at) {
              std::int64_t k = mod(at[0] * 4 + at[1] - s, 12);
              return double(k);
            }) == "");
    }
  CHECK(message<UsageError>([] {
          roll(ones({2, 2}), {1, 2}, {.axis = 0});
        }) == "roll: 2 shifts for 1 axes. Name one axis for each shift.");
  CHECK(roll(zeros({0, 3}), 1, {.axis = 0}).shape() == Shape{0, 3});
}

TEST_CASE("gradients of padding") {
  Tensor x = random::normal({3, 4}, {.dtype = DType::f64, .seed = 1});
  auto check = [&](auto f) {
    auto r = gradcheck(f, x, {.order = 2});
    CHECK_MESSAGE(r, r.str());
  };
  for (PadMode mode : modes) {
    check([=](const Tensor& t) { return square(pad(t, {{2, 1}, {3, 2}}, {.mode = mode})); });
    check([=](const Tensor& t) { return square(pad(t, {{0, 0}, {0, 3}}, {.mode = mode})); });
  }
  check([](const Tensor& t) { return square(flip(t, {.axis = 1})) * t; });
  check([](const Tensor& t) { return square(roll(t, {1, -2}, {.axis = {0, 1}})) * t; });
  check([](const Tensor& t) { return square(roll(t, 5)) * t; });

  Tensor h = ones({4}, DType::bf16);
  GradientTape tape;
  tape.watch(h);
  CHECK(array_equal(tape.gradient(pad(h, {{3, 0}}, {.mode = PadMode::edge}), h), tensor({4, 1, 1, 1}, DType::bf16)));
}
