// Elementwise functions against TensorFlow's values, in f32 and f64, and their derivatives.
#include <doctest/doctest.h>
#include <tapir/test/ops/golden.h>

#include <map>

using namespace golden;

namespace {

using At = std::vector<std::size_t>;
using Function = Tensor (*)(const Tensor& x, const nlohmann::json& attrs);
#define UNARY(f)                                                    \
  {                                                                 \
#f, [](const Tensor& x, const nlohmann::json&) { return f(x); } \
  }

const std::map<std::string, Function> functions = {
    UNARY(relu),
    UNARY(relu6),
    UNARY(selu),
    UNARY(silu),
    UNARY(mish),
    UNARY(softplus),
    UNARY(softsign),
    UNARY(sigmoid),
    UNARY(log_sigmoid),
    UNARY(hard_sigmoid),
    UNARY(hard_silu),
    UNARY(tanh),
    UNARY(erf),
    UNARY(erfinv),
    UNARY(lgamma),
    UNARY(digamma),
    UNARY(log1p),
    UNARY(expm1),
    UNARY(rsqrt),
    {"exponential", [](const Tensor& x, const nlohmann::json&) { return exp(x); }},
    {"leaky_relu", [](const Tensor& x, const nlohmann::json& a) { return leaky_relu(x, a["negative_slope"]); }},
    {"elu", [](const Tensor& x, const nlohmann::json& a) { return elu(x, a["alpha"]); }},
    {"gelu", [](const Tensor& x, const nlohmann::json& a) { return gelu(x, {.approximate = a["approximate"]}); }},
};
#undef UNARY

// That the definitions are TensorFlow's. How exact ours are is elementwise_test.cpp's: TensorFlow's gelu has f32
// constants in f64 too and goes through 1 + erf, its elu through exp(x) - 1, hence the absolute term.
void check_close(const std::string& what, const Tensor& got, const Tensor& expected, double tolerance,
                 const At& differ = {}) {
  auto a = got.astype(DType::f64).to_vector<double>(), b = expected.astype(DType::f64).to_vector<double>();
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::count(differ.begin(), differ.end(), i)) continue;
    bool same = std::isnan(b[i]) ? std::isnan(a[i])
                                 : a[i] == b[i] || std::fabs(a[i] - b[i]) <= tolerance * std::fabs(b[i]) + 1e-7;
    CHECK_MESSAGE(same, what, " [", i, "]: ", a[i], ", not ", b[i]);
  }
}

}  // namespace

TEST_CASE("TensorFlow's values and derivatives") {
  Family family("elementwise");
  int run = 0;
  for (auto& c : family.cases) {
    const std::string name = c["name"], op = c["op"];
    auto f = functions.find(op);
    if (f == functions.end()) continue;
    ++run;
    Tensor x32 = family.get(name, "x"), y_ref = family.get(name, "y_ref"), dx_ref = family.get(name, "dx_ref");
    for (DType d : {DType::f32, DType::f64}) {
      Tensor x = x32.astype(d);
      GradientTape tape;
      tape.watch(x);
      Tensor y = f->second(x, c["attrs"]);
      Tensor dx = tape.gradient(y, x);
      std::string what = name + " " + name_of(d);
      // TensorFlow's f64 erf is NaN at infinity; its selu has the slope of the positive side where its value
      // underflows.
      check_close(what, y.astype(DType::f32), y_ref, 2e-6, name == "erf_special" ? At{1, 2} : At{});
      check_close(what + " gradient", dx.astype(DType::f32), dx_ref, 4e-6, name == "selu_special" ? At{6, 8} : At{});
    }
  }
  CHECK(run == 50);
}

TEST_CASE("logaddexp: TensorFlow's values and derivatives") {
  Family family("elementwise");
  for (DType d : {DType::f32, DType::f64}) {
    Tensor a = family.get("logaddexp", "x1").astype(d), b = family.get("logaddexp", "x2").astype(d);
    GradientTape tape;
    tape.watch(a);
    tape.watch(b);
    Tensor y = logaddexp(a, b);
    auto dx = tape.gradient(y, std::vector{a, b}, {.output_gradients = family.get("logaddexp", "dy").astype(d)});
    At ties;  // ours gives each side half there, TensorFlow all to the first
    auto left = a.astype(DType::f64).to_vector<double>(), right = b.astype(DType::f64).to_vector<double>();
    for (std::size_t i = 0; i < left.size(); ++i)
      if (left[i] == right[i]) ties.push_back(i);
    check_close("logaddexp", y.astype(DType::f32), family.get("logaddexp", "y_ref"), 2e-6);
    check_close("logaddexp, first", dx[0].astype(DType::f32), family.get("logaddexp", "dx1_ref"), 2e-6, ties);
    check_close("logaddexp, second", dx[1].astype(DType::f32), family.get("logaddexp", "dx2_ref"), 2e-6, ties);
  }
}
