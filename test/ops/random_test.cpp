#include <doctest/doctest.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/philox.h>

#include <tapir/test/ops/shape_reference.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <thread>

using namespace shape_reference;

namespace {

std::vector<double> values(const Tensor& t) { return t.astype(DType::f64).to_vector<double>(); }

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};
Moments moments(const std::vector<double>& v) {
  Moments m;
  const auto n = double(v.size());
  for (double x : v) m.mean += x / n;
  for (double x : v) {
    const double d = x - m.mean;
    m.variance += d * d / n;
    m.skew += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  m.skew /= std::pow(m.variance, 1.5);
  m.kurtosis /= m.variance * m.variance;
  return m;
}

// The largest distance from the distribution function, times sqrt(n): above 1.95 once in a thousand times.
double kolmogorov_smirnov(std::vector<double> v, double (*cdf)(double)) {
  std::sort(v.begin(), v.end());
  double worst = 0;
  const auto n = double(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double p = cdf(v[i]);
    worst = std::max({worst, std::abs(p - double(i) / n), std::abs(double(i + 1) / n - p)});
  }
  return worst * std::sqrt(n);
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double truncated_cdf(double x) {
  const double lo = normal_cdf(-2), hi = normal_cdf(2);
  return (normal_cdf(x) - lo) / (hi - lo);
}
double uniform_cdf(double x) { return x; }

// Sum of (observed - expected)^2 / expected.
double chi_square(const std::vector<double>& observed, const std::vector<double>& expected) {
  double s = 0;
  for (std::size_t i = 0; i < observed.size(); ++i) s += std::pow(observed[i] - expected[i], 2) / expected[i];
  return s;
}

}  // namespace

// kat_vectors of Random123 (D. E. Shaw Research), philox4x32 with 10 rounds.
TEST_CASE("Philox known answers") {
  using random::philox4x32_10;
  auto is = [](random::PhiloxWords w, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return w.word[0] == a && w.word[1] == b && w.word[2] == c && w.word[3] == d;
  };
  CHECK(is(philox4x32_10({{0, 0, 0, 0}}, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  const std::uint32_t f = 0xffffffff;
  CHECK(is(philox4x32_10({{f, f, f, f}}, f, f), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  CHECK(is(philox4x32_10({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0), 0xd16cfe09,
           0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST_CASE("elements are the words of their own counters") {
  const std::int64_t n = 5000;
  const random::PhiloxKey key{77, 0};
  auto f = random::uniform({n}, {.seed = 77}).to_vector<float>();
  auto d = random::uniform({n}, {.dtype = DType::f64, .seed = 77}).to_vector<double>();
  auto k = random::integers({n}, -5, 1000, {.seed = 77}).to_vector<std::int64_t>();
  auto z = random::normal({n}, {.seed = 77}).to_vector<float>();
  bool same = true;
  double off = 0;
  for (std::size_t i = 0; i < std::size_t(n); ++i) {
    same &= f[i] == float(random::philox_word(key, i) >> 8) * 0x1p-24f;
    same &= d[i] == double(random::philox_long(key, i) >> 11) * 0x1p-53;
    same &= k[i] == -5 + std::int64_t((unsigned __int128)random::philox_long(key, i) * 1005 >> 64);
    const std::size_t first = i - i % 32 + i % 16;  // Box and Muller
    const double u = (double(random::philox_word(key, first) >> 1) + 0.5) * 0x1p-31;
    const double angle = double(std::int32_t(random::philox_word(key, first + 16))) * std::acos(-1.0) * 0x1p-31;
    const double r = std::sqrt(-2 * std::log(u)), wanted = i == first ? r * std::cos(angle) : r * std::sin(angle);
    off = std::max(off, std::abs(z[i] - wanted));
  }
  CHECK(same);
  CHECK(off < 2e-6);
}

// Worked out by a Python program from the paper and ops/philox.h.
TEST_CASE("golden numbers of seed 1") {
  CHECK(allclose(random::uniform({4}, {.seed = 1}),
                 tensor({0.8902591466903687, 0.6719982624053955, 0.2474014163017273, 0.757626473903656}),
                 {.rtol = 0, .atol = 0}));
  CHECK(allclose(random::normal({4}, {.seed = 1}),
                 tensor({0.38040073375502054, 0.6269478529147862, -1.5671556392914698, 0.7255156709877552}),
                 {.rtol = 1e-6, .atol = 1e-6}));
  CHECK(array_equal(random::integers({8}, 0, 10, {.seed = 1}), tensor({8, 8, 5, 0, 6, 2, 1, 4})));
  CHECK(array_equal(random::permutation(8, {.seed = 1}), tensor({4, 2, 5, 6, 7, 1, 0, 3})));
}

TEST_CASE("the same for any number of threads and any size") {
  const int before = num_threads();
  std::vector<Tensor> draws[2];
  for (int t : {1, 3}) {
    set_num_threads(t);
    auto& d = draws[t / 2];
    d.push_back(random::uniform({301, 333}, {.seed = 3}));
    d.push_back(random::normal({301, 333}, {.seed = 3}));
    d.push_back(random::normal({301, 333}, {.dtype = DType::f64, .seed = 3}));
    d.push_back(random::truncated_normal({301, 333}, {.seed = 3}));
    d.push_back(random::integers({301, 333}, 0, 1000, {.seed = 3}));
    d.push_back(random::categorical(zeros({100, 17}), 50, {.seed = 3}));
    d.push_back(dropout(ones({301, 333}), 0.3, {.seed = 3}));
  }
  set_num_threads(before);
  for (std::size_t i = 0; i < draws[0].size(); ++i) CHECK(array_equal(draws[0][i], draws[1][i]));
  CHECK(array_equal(narrow(random::normal({5000}, {.seed = 3}), 0, 0, 777), random::normal({777}, {.seed = 3})));
  CHECK(array_equal(narrow(random::truncated_normal({5000}, {.seed = 3}), 0, 0, 777),
                    random::truncated_normal({777}, {.seed = 3})));
}

TEST_CASE("seeds and the global generator") {
  CHECK(array_equal(random::normal({9}, {.seed = 1}), random::normal({9}, {.seed = 1})));
  CHECK_FALSE(array_equal(random::normal({9}, {.seed = 1}), random::normal({9}, {.seed = 2})));
  random::set_seed(5);
  Tensor a = random::uniform({9}), b = random::uniform({9});
  CHECK_FALSE(array_equal(a, b));
  random::set_seed(5);
  CHECK(array_equal(random::uniform({9}), a));
  auto state = random::generator_state();
  CHECK(array_equal(random::uniform({9}), b));
  random::set_generator_state(state);
  CHECK(array_equal(random::uniform({9}), b));

  std::set<std::int64_t> streams;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        auto k = random::key().to_vector<std::int64_t>();
        std::lock_guard lock(mutex);
        streams.insert(k[1]);
      }
    });
  for (auto& t : threads) t.join();
  CHECK(streams.size() == 2000);
}

TEST_CASE("uniform") {
  for (DType d : {DType::f32, DType::f64}) {
    auto v = values(random::uniform({200000}, {.dtype = d, .seed = 11}));
    CHECK(kolmogorov_smirnov(v, uniform_cdf) < 1.95);
    auto m = moments(v);
    CHECK(m.mean == doctest::Approx(0.5).epsilon(0.005));
    CHECK(m.variance == doctest::Approx(1.0 / 12).epsilon(0.01));
  }
  for (DType d : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    auto v = values(random::uniform({50000}, {.low = -3, .high = 5, .dtype = d, .seed = 12}));
    CHECK(*std::min_element(v.begin(), v.end()) >= -3);
    CHECK(*std::max_element(v.begin(), v.end()) < 5);
    CHECK(*std::max_element(v.begin(), v.end()) > 4.9);
  }
  // A range of few floats: rounding must not give `high`.
  auto v = values(random::uniform({10000}, {.low = 16777216, .high = 16777220, .seed = 1}));
  CHECK(*std::max_element(v.begin(), v.end()) < 16777220);
}

TEST_CASE("normal") {
  for (DType d : {DType::f32, DType::f64}) {
    auto v = values(random::normal({400000}, {.dtype = d, .seed = 13}));
    CHECK(kolmogorov_smirnov(v, normal_cdf) < 1.95);
    auto m = moments(v);
    CHECK(std::abs(m.mean) < 0.005);
    CHECK(m.variance == doctest::Approx(1).epsilon(0.01));
    CHECK(std::abs(m.skew) < 0.02);
    CHECK(m.kurtosis == doctest::Approx(3).epsilon(0.02));
    double neighbours = 0, halves = 0;  // correlation of elements 1 and 16 apart; the latter share a counter
    for (std::size_t i = 0; i + 16 < v.size(); ++i) neighbours += v[i] * v[i + 1], halves += v[i] * v[i + 16];
    CHECK(std::abs(neighbours / double(v.size())) < 0.008);
    CHECK(std::abs(halves / double(v.size())) < 0.008);
  }
  auto m = moments(values(random::normal({100000}, {.mean = 5, .stddev = 0.5, .seed = 14})));
  CHECK(m.mean == doctest::Approx(5).epsilon(0.002));
  CHECK(m.variance == doctest::Approx(0.25).epsilon(0.02));
  auto half = moments(values(random::normal({100000}, {.dtype = DType::bf16, .seed = 14})));
  CHECK(half.variance == doctest::Approx(1).epsilon(0.02));
  auto tail = values(random::normal({1 << 22}, {.seed = 15}));
  const double beyond = double(std::count_if(tail.begin(), tail.end(), [](double z) { return std::abs(z) > 4; }));
  CHECK(beyond == doctest::Approx(6.334e-5 * (1 << 22)).epsilon(0.2));
}

TEST_CASE("truncated normal") {
  for (DType d : {DType::f32, DType::f64}) {
    auto v = values(random::truncated_normal({200000}, {.dtype = d, .seed = 16}));
    CHECK(*std::max_element(v.begin(), v.end()) <= 2);
    CHECK(*std::min_element(v.begin(), v.end()) >= -2);
    CHECK(kolmogorov_smirnov(v, truncated_cdf) < 1.95);
    CHECK(std::sqrt(moments(v).variance) == doctest::Approx(0.87962566).epsilon(0.005));
  }
  auto m = moments(values(random::truncated_normal({100000}, {.mean = 1, .stddev = 0.1, .seed = 17})));
  CHECK(m.mean == doctest::Approx(1).epsilon(0.001));
}

TEST_CASE("integers") {
  Tensor x = random::integers({8}, 0, 10, {.seed = 5});
  CHECK(x.dtype() == DType::i64);
  auto v = values(random::integers({100000}, -3, 7, {.dtype = DType::i8, .seed = 18}));
  std::vector<double> counts(10), expected(10, 10000);
  for (double k : v) {
    REQUIRE(k >= -3);
    REQUIRE(k < 7);
    ++counts[std::size_t(k + 3)];
  }
  CHECK(chi_square(counts, expected) < 27.9);  // 9 degrees of freedom, 0.1 %
  auto all = random::integers({1000}, INT64_MIN, INT64_MAX, {.seed = 1}).to_vector<std::int64_t>();
  CHECK(std::count_if(all.begin(), all.end(), [](auto k) { return k < 0; }) == doctest::Approx(500).epsilon(0.15));
  CHECK(message<UsageError>([] { random::integers({2}, 3, 3); }) == "integers: low must be below high, got 3 and 3.");
  CHECK(message<UsageError>([] { random::integers({2}, 0, 257, {.dtype = DType::u8}); }) ==
        "integers: u8 cannot hold all of [0, 257).");
  CHECK(random::integers({2}, 0, 256, {.dtype = DType::u8}).dtype() == DType::u8);
  CHECK(message<DTypeError>([] { random::integers({2}, 0, 3, {.dtype = DType::f32}); }) ==
        "integers: needs an integer dtype, got f32.");
}

TEST_CASE("bernoulli") {
  Tensor x = random::bernoulli({100000}, 0.3, {.seed = 19});
  CHECK(x.dtype() == DType::boolean);
  CHECK(moments(values(x)).mean == doctest::Approx(0.3).epsilon(0.02));
  CHECK(array_equal(random::bernoulli({100}, 1, {.dtype = DType::i32}), ones({100})));
  CHECK(array_equal(random::bernoulli({100}, 0, {.dtype = DType::f32}), zeros({100})));
  CHECK(message<UsageError>([] { random::bernoulli({2}, 1.5); }) ==
        "bernoulli: the probability must be in [0, 1], got 1.5.");
}

TEST_CASE("categorical") {
  Tensor logits = tensor({{0.0f, 1.0f, 2.0f, -INFINITY}, {5.0f, 5.0f, 5.0f, 5.0f}});
  Tensor x = random::categorical(logits, 60000, {.seed = 20});
  CHECK(x.dtype() == DType::i64);
  REQUIRE(x.shape() == Shape{2, 60000});
  auto v = x.to_vector<std::int64_t>();
  std::vector<double> counts[2] = {std::vector<double>(4), std::vector<double>(4)};
  for (std::size_t i = 0; i < v.size(); ++i) ++counts[i / 60000][std::size_t(v[i])];
  CHECK(counts[0][3] == 0);
  const double e = std::exp(1.0), sum = 1 + e + e * e;
  counts[0].pop_back();
  CHECK(chi_square(counts[0], {60000 / sum, 60000 * e / sum, 60000 * e * e / sum}) < 13.8);
  CHECK(chi_square(counts[1], std::vector<double>(4, 15000)) < 16.3);
  CHECK(random::categorical(zeros({3}, DType::bf16), 5).shape() == Shape{5});
  CHECK(message<ShapeError>([] {
          random::categorical(zeros({2, 0}), 1);
        }) == "categorical: needs logits [B, C] or [C] with C > 0, got [2, 0].");
}

TEST_CASE("permutation and shuffle") {
  auto p = random::permutation(1000, {.seed = 21}).to_vector<std::int64_t>();
  auto sorted = p;
  std::sort(sorted.begin(), sorted.end());
  bool all = true;
  for (std::size_t i = 0; i < 1000; ++i) all &= sorted[i] == std::int64_t(i);
  CHECK(all);
  std::map<std::vector<std::int64_t>, double> orders;
  for (int s = 0; s < 6000; ++s) ++orders[random::permutation(3, {.seed = s}).to_vector<std::int64_t>()];
  REQUIRE(orders.size() == 6);
  std::vector<double> counts;
  for (auto& [order, n] : orders) counts.push_back(n);
  CHECK(chi_square(counts, std::vector<double>(6, 1000)) < 20.5);
  CHECK(random::permutation(0).shape() == Shape{0});

  const Tensor x = arange(30), rows = reshape(x, {10, 3}), y = random::shuffle(rows, {.seed = 4});
  CHECK_FALSE(array_equal(y, rows));
  CHECK(array_equal(sort(reshape(y, {30})), x));
  CHECK(array_equal(y, take(rows, random::permutation(10, {.seed = 4}), 0)));
  CHECK(array_equal(y(ellipsis, 1), y(ellipsis, 0) + 1));  // rows stay whole
  CHECK(message<ShapeError>([] { random::shuffle(constant(1)); }) ==
        "shuffle: a scalar has no first dimension to put in another order.");
}

TEST_CASE("what draws refuse") {
  CHECK(message<ShapeError>([] { random::normal({2, -3}); }) == "normal: negative size -3 of axis 1.");
  CHECK(message<DTypeError>([] { random::normal({2}, {.dtype = DType::i32}); }) ==
        "normal: needs a floating dtype, got i32.");
  CHECK(message<UsageError>([] { random::normal({2}, {.stddev = -1}); }) ==
        "normal: stddev must be at least 0, got -1.");
  CHECK(message<UsageError>([] { random::uniform({2}, {.low = 1, .high = 1}); }) ==
        "uniform: low must be below high, got 1 and 1.");
  CHECK(message<UsageError>([] { random::uniform({2}, {.seed = -2}); }) ==
        "random: needs a seed of at least 0, got -2.");
  CHECK(message<UsageError>([] { random::set_seed(-1); }) == "set_seed: needs a seed of at least 0, got -1.");
  CHECK(random::normal({0, 3}).shape() == Shape{0, 3});
  CHECK(random::normal({}).shape() == Shape{});
}
