// Layers that are random in training: how often, how much, and that a seed repeats them; and what data layers refuse.
#include <tapir/test/ops/golden.h>

#include <set>

using namespace tapir;
using golden::check_error;
using golden::distance;

namespace {
double mean_of(const Tensor& t) { return mean(t.astype(DType::f64)).item<double>(); }
double deviation_of(const Tensor& t) { return stddev(t.astype(DType::f64)).item<double>(); }
constexpr nn::CallOptions kTraining{.training = true};
}  // namespace

TEST_CASE("noise has the mean and the deviation that are asked for, in training alone") {
  const Tensor x = ones({200, 100});
  const Tensor noisy = nn::GaussianNoise(0.5)(x, kTraining), times = nn::GaussianDropout(0.2)(x, kTraining);
  CHECK(mean_of(noisy) == doctest::Approx(1).epsilon(0.02));
  CHECK(deviation_of(noisy) == doctest::Approx(0.5).epsilon(0.02));
  CHECK(mean_of(times) == doctest::Approx(1).epsilon(0.02));
  CHECK(deviation_of(times) == doctest::Approx(0.5).epsilon(0.02));
  const Tensor normal = random::normal({200, 100});
  const Tensor alpha = nn::AlphaDropout(0.3)(normal, kTraining);
  CHECK(mean_of(alpha) == doctest::Approx(0).scale(1).epsilon(0.03));
  CHECK(deviation_of(alpha) == doctest::Approx(1).epsilon(0.03));
  for (nn::AnyLayer layer : std::vector<nn::AnyLayer>{nn::GaussianNoise(0.5), nn::GaussianDropout(0.2),
                                                      nn::AlphaDropout(0.3), nn::SpatialDropout1D(0.5)})
    CHECK(distance((*layer)(ones({4, 5, 6})), ones({4, 5, 6})) == 0);
}

TEST_CASE("spatial dropout takes whole channels") {
  const Tensor y = nn::SpatialDropout2D(0.5)(ones({50, 3, 4, 20}), kTraining);
  CHECK(distance(y(Slice(), Slice(0, 1), Slice(0, 1)) + zeros(y.shape()), y) == 0);
  CHECK(mean_of(y == 0) == doctest::Approx(0.5).epsilon(0.1));
  CHECK(max(y).item<double>() == 2);
}

TEST_CASE("a seed repeats the draws of a new layer, and each call has its own") {
  const Tensor x = random::uniform({4, 6, 6, 1});
  for (bool traced : {false, true}) {
    auto draws = [&] {
      nn::Sequential layers{nn::GaussianNoise(1, {.seed = 1}), nn::RandomFlip({.seed = 2}),
                            nn::RandomRotation(0.2, {.seed = 3}), nn::RandomBrightness(0.5, {.seed = 4})};
      auto run = [&](const Tensor& t) { return layers(t, kTraining); };
      auto f = function(run);
      return traced ? std::pair(f(x), f(x)) : std::pair(run(x), run(x));
    };
    const auto [first, second] = draws();
    const auto [again, other] = draws();
    CHECK(distance(first, again) == 0);
    CHECK(distance(second, other) == 0);
    CHECK(distance(first, second) > 0.01);
  }
}

TEST_CASE("about half of the images are flipped, each as a whole") {
  const Tensor x = random::uniform({400, 3, 4, 2});
  const Tensor y = nn::RandomFlip({.vertical = false, .seed = 1})(x, kTraining), mirrored = flip(x, {.axis = 2});
  const Tensor same = all(y == x, {.axis = {1, 2, 3}}), turned = all(y == mirrored, {.axis = {1, 2, 3}});
  CHECK(mean_of(logical_or(same, turned)) == 1);
  CHECK(mean_of(turned) == doctest::Approx(0.5).epsilon(0.15));
}

TEST_CASE("crops are parts of the images, at random in training and from the middle otherwise") {
  const Tensor x = reshape(arange(2.0f * 6 * 7), {2, 6, 7, 1});
  nn::RandomCrop crop(3, 4, {.seed = 1});
  CHECK(distance(crop(x), x(Slice(), Slice(1, 4), Slice(1, 5))) == 0);
  std::set<float> corners;
  for (int i = 0; i < 40; ++i) {
    const Tensor y = crop(x, kTraining);
    const float corner = y(0, 0, 0, 0).item<float>();
    corners.insert(corner);
    CHECK(distance(y(1, ellipsis) - y(0, ellipsis), full({3, 4, 1}, 42.0f)) == 0);
    CHECK(y(0, 2, 3, 0).item<float>() == corner + 2 * 7 + 3);
  }
  CHECK(corners.size() > 8);  // of 16
}

TEST_CASE("contrast spreads values around the mean of each channel") {
  const Tensor x = random::uniform({3, 5, 5, 2});
  const Tensor y = nn::RandomContrast({0.5, 0.5}, {.low = -10, .high = 10})(x, kTraining);
  const Tensor middle = mean(x, {.axis = {1, 2}, .keepdims = true});
  CHECK(distance(y, (x - middle) * 1.5 + middle) < 1e-6);
}

TEST_CASE("normalisation adapts to data, axis by axis") {
  const Tensor data = golden::randn({500, 3}, DType::f32) * tensor({1.0f, 2.0f, 3.0f}) + 5;
  nn::Normalization layer;
  layer.adapt(data);
  const Tensor y = layer(data);
  CHECK(distance(mean(y, {.axis = 0}), zeros({3})) < 1e-5);
  CHECK(distance(stddev(y, {.axis = 0}), ones({3})) < 1e-5);
  check_error<UsageError>([&] { nn::Normalization({.name = "n"})(data); },
                          "n: has no mean and variance. Call adapt(data) first, or give them.");
}

TEST_CASE("what these layers refuse") {
  check_error<UsageError>([] { nn::GaussianNoise(-1); }, "GaussianNoise: stddev must be 0 or more, got -1.");
  check_error<UsageError>([] { nn::SpatialDropout2D(1); }, "SpatialDropout2D: rate must be in [0, 1), got 1.");
  check_error<ShapeError>([] { nn::RandomFlip()(ones({4, 5})); }, "RandomFlip: needs an input of rank 4, got [4, 5].");
  check_error<ShapeError>(
      [] {
        nn::CenterCrop(3, 3)(ones({1, 2, 4, 1}));
      },
      "CenterCrop: 3 x 3 pixels do not fit into [1, 2, 4, 1]. Resizing comes first.");
  check_error<UsageError>([] { nn::Discretization({2, 1}); }, "Discretization: needs boundaries that ascend.");
  check_error<ShapeError>(
      [] {
        nn::Cropping1D(2)(ones({1, 4, 1}));
      },
      "Cropping1D: 2 and 2 leave nothing of 4 ([1, 4, 1]).");
  check_error<UsageError>(
      [] {
        nn::ZeroPadding3D({1, 2});
      },
      "ZeroPadding3D: needs one amount, or one (or a pair, before and after) for each of 3 "
      "dimensions, each 0 or more.");
  check_error<UsageError>([] { nn::EinsumDense("ab->c", {1}); },
                          "EinsumDense: the equation must be like \"ab,bc->ac\", got \"ab->c\".");
}
