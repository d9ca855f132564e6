// Initializers: every case of test/golden/initializers.json, by 40 draws each; seeds, errors.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;
using golden::distance;
using nlohmann::json;
namespace initializers = nn::initializers;

namespace {

nn::Initializer make(const std::string& op, const json& a) {
  if (op == "RandomNormal") return initializers::random_normal({.mean = a["mean"], .stddev = a["stddev"]});
  if (op == "TruncatedNormal") return initializers::truncated_normal({.mean = a["mean"], .stddev = a["stddev"]});
  if (op == "RandomUniform") return initializers::random_uniform({.minval = a["minval"], .maxval = a["maxval"]});
  if (op == "Orthogonal") return initializers::orthogonal({.gain = a["gain"]});
  for (auto [type, name] :
       std::initializer_list<std::pair<const char*, const char*>>{{"GlorotUniform", "glorot_uniform"},
                                                                  {"GlorotNormal", "glorot_normal"},
                                                                  {"HeUniform", "he_uniform"},
                                                                  {"HeNormal", "he_normal"},
                                                                  {"LecunUniform", "lecun_uniform"},
                                                                  {"LecunNormal", "lecun_normal"},
                                                                  {"Zeros", "zeros"},
                                                                  {"Ones", "ones"}})
    if (op == type) return name;
  FAIL("no initializer " << op);
  return "zeros";
}

Shape shape_of(const json& c) { return Shape(c["attrs"]["shape"].get<std::vector<std::int64_t>>()); }

// There are no arrays, so no golden::Family.
json cases() {
  const char* root = std::getenv("TAPIR_SOURCE_DIR");
  json all;
  std::ifstream(std::string(root ? root : ".") + "/test/golden/initializers.json") >> all;
  REQUIRE(all.size() > 40);
  return all;
}

struct Statistics {
  double n = 0, mean = 0, std = 0, min = INFINITY, max = -INFINITY;
  explicit Statistics(const std::vector<float>& v) : n(double(v.size())) {
    for (double x : v) mean += x / n, min = std::min(min, x), max = std::max(max, x);
    for (double x : v) std += (x - mean) * (x - mean) / n;
    std = std::sqrt(std);
  }
};

}  // namespace

TEST_CASE("means, deviations and bounds are those of Keras") {
  for (auto& c : cases()) {
    INFO(c["name"]);
    const nn::Initializer initializer = make(c["op"], c["attrs"]);
    const json& e = c["expected"];
    if (e.contains("orthogonal")) continue;  // below
    std::vector<float> draws;
    for (int seed = 0; seed < 40; ++seed) {
      const Tensor t = initializer(shape_of(c), seed);
      CHECK(t.dtype() == DType::f32);
      REQUIRE(t.shape() == shape_of(c));
      for (float v : t.to_vector<float>()) draws.push_back(v);
    }
    const Statistics s(draws);
    const double mean = e["mean"], std = e["std"];
    const double sampling = 5 * std / std::sqrt(s.n) + 1e-12;
    CHECK(std::abs(s.mean - mean) <= sampling);
    CHECK(std::abs(s.std - std) <= sampling);
    if (e["min"].is_null()) continue;
    const double low = e["min"], high = e["max"], slack = 1e-6 * (high - low),
                 reach = s.n >= 4000 ? 0.03 * (high - low) : high - low;
    CHECK(s.min >= low - slack);
    CHECK(s.max <= high + slack);
    CHECK(s.min <= low + reach);
    CHECK(s.max >= high - reach);
  }
}

TEST_CASE("orthogonal: the shorter side is orthonormal, times gain") {
  for (auto& c : cases()) {
    if (c["op"] != "Orthogonal") continue;
    INFO(c["name"]);
    const nn::Initializer initializer = make(c["op"], c["attrs"]);
    const bool columns = c["expected"]["rows_or_columns"] == "columns";
    Tensor mean_of_all = zeros(shape_of(c));
    for (int seed = 0; seed < 40; ++seed) {
      const Tensor t = initializer(shape_of(c), seed), m = reshape(t, {-1, t.shape().back()}).astype(DType::f64);
      const Tensor gram = columns ? matmul(matrix_transpose(m), m) : matmul(m, matrix_transpose(m));
      const double diagonal = c["expected"]["gram_diagonal"];
      CHECK(distance(gram, eye(gram.shape()[0]) * diagonal) < 2e-6);
      mean_of_all = mean_of_all + t / 40;
    }
    // Uniform over all such matrices, so of mean 0; the raw signs of a QR would shift the diagonal.
    CHECK(max(abs(mean_of_all)).item<float>() < 5 * c["attrs"]["gain"].get<double>() / std::sqrt(40 * 4));
  }
}

TEST_CASE("defaults are Keras's") {
  auto std_of = [](const nn::Initializer& i) { return Statistics(i({200, 300}, 1).to_vector<float>()).std; };
  const double unit = 0.87962566103423978;  // of a normal distribution cut at two deviations
  CHECK(std_of("random_normal") == doctest::Approx(0.05).epsilon(0.02));
  CHECK(std_of("truncated_normal") == doctest::Approx(0.05 * unit).epsilon(0.02));
  CHECK(std_of("random_uniform") == doctest::Approx(0.1 / std::sqrt(12)).epsilon(0.02));
  CHECK(std_of("uniform") == doctest::Approx(0.1 / std::sqrt(12)).epsilon(0.02));
  CHECK(std_of("variance_scaling") == doctest::Approx(std::sqrt(1.0 / 200)).epsilon(0.02));
  using namespace initializers;
  CHECK(std_of(variance_scaling({.scale = 3, .mode = Fan::out})) ==
        doctest::Approx(std::sqrt(3.0 / 300)).epsilon(0.02));
  CHECK(std_of(variance_scaling({.mode = Fan::average, .distribution = Distribution::untruncated_normal})) ==
        doctest::Approx(std::sqrt(1.0 / 250)).epsilon(0.02));
  CHECK(distance(nn::Initializer("identity")({3, 3}), eye(3)) == 0);
  CHECK(distance(identity(2)({2, 2}), 2 * eye(2)) == 0);
  CHECK(distance(initializers::constant(0.25)({2, 3}), full({2, 3}, 0.25f)) == 0);
}

TEST_CASE("seeds: the initializer's own wins over the layer's; without one the global generator goes on") {
  const Shape s{4, 5};
  for (const char* name :
       {"glorot_uniform", "he_normal", "orthogonal", "random_normal", "random_uniform", "truncated_normal"}) {
    INFO(name);
    const nn::Initializer i = name;
    CHECK(distance(i(s, 7), i(s, 7)) == 0);
    CHECK(distance(i(s, 7), i(s, 8)) > 0);
    random::set_seed(3);
    const Tensor first = i(s), second = i(s);
    CHECK(distance(first, second) > 0);
    random::set_seed(3);
    CHECK(distance(i(s), first) == 0);
  }
  const nn::Initializer own = initializers::random_normal({.seed = 7});
  CHECK(distance(own(s, 9), own(s, 8)) == 0);
  CHECK(distance(own(s), nn::Initializer("random_normal")(s, 7)) == 0);
  nn::Dense a(3, {.seed = 1}), b(3, {.seed = 1}), c(3);
  for (auto* layer : {&a, &b, &c}) layer->build({4});
  CHECK(distance(a.kernel(), b.kernel()) == 0);
  CHECK(distance(a.kernel(), c.kernel()) > 0);
}

TEST_CASE("a function of one's own; scalars and empty shapes") {
  const nn::Initializer own([](const Shape& s, std::int64_t seed) { return full(s, double(seed)).astype(DType::f32); });
  CHECK(own.name() == "custom");
  nn::Dense layer(2, {.kernel_initializer = own, .seed = 5});
  layer.build({3});
  CHECK(distance(layer.kernel(), full({3, 2}, 5.0f)) == 0);
  for (const char* name : {"glorot_uniform", "he_normal", "lecun_normal", "random_normal", "random_uniform", "zeros"}) {
    CHECK(nn::Initializer(name)({}).shape() == Shape());
    CHECK(nn::Initializer(name)({0, 3}).shape() == Shape({0, 3}));
  }
  CHECK(nn::Initializer("orthogonal")({3, 0}).shape() == Shape({3, 0}));
  CHECK(nn::Initializer("orthogonal")({0, 3}).shape() == Shape({0, 3}));
}

TEST_CASE("errors") {
  check_error<UsageError>(
      [] { nn::Initializer("glorot_unifrom"); },
      "initializer: there is no 'glorot_unifrom'. Did you mean 'glorot_uniform'? There are: glorot_normal, "
      "glorot_uniform, "
      "he_normal, he_uniform, identity, lecun_normal, lecun_uniform, ones, orthogonal, random_normal, random_uniform, "
      "truncated_normal, uniform, variance_scaling, zeros.");
  check_error<UsageError>([] { nn::Initializer()({2}); }, "initializer: it is empty; give it a name or a function.");
  check_error<ShapeError>([] { nn::Initializer([](const Shape&, std::int64_t) { return ones({2}); })({3}); },
                          "initializer: 'custom' was asked for [3] and gave [2].");
  check_error<ShapeError>([] { nn::Initializer([](const Shape&, std::int64_t) { return Tensor(); })({3}); },
                          "initializer: 'custom' was asked for [3] and gave an undefined tensor.");
  check_error<ShapeError>([] { nn::Initializer("orthogonal")({3}); },
                          "orthogonal: needs 2 dimensions or more, got [3].");
  check_error<ShapeError>([] { nn::Initializer("identity")({2, 3}); }, "identity: needs a square matrix, got [2, 3].");
  check_error<UsageError>([] { initializers::variance_scaling({.scale = 0}); },
                          "variance_scaling: scale must be positive, got 0.");
  check_error<UsageError>([] { initializers::random_normal({.stddev = -1}); },
                          "random_normal: stddev must be 0 or more, got -1.");
  check_error<UsageError>([] { initializers::truncated_normal({.stddev = NAN}); },
                          "truncated_normal: stddev must be 0 or more, got nan.");
  check_error<UsageError>([] { initializers::random_uniform({.minval = 1, .maxval = 1}); },
                          "random_uniform: minval must be below maxval, got 1 and 1.");
}
