// Where the precision of a call comes from, and that it stays with the call. What is computed: backends/bf16_test.cpp.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

using namespace tapir;

namespace {

// Of the whole process, and highest again at the end.
struct Set {
  explicit Set(Precision p) { set_matmul_precision(p); }
  ~Set() { set_matmul_precision(Precision::highest); }
};

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++n;
  return n;
}

// How many operations of f's trace for x have a precision of that number.
template <class F>
std::size_t rows(F f, const TensorSpec& x, int precision) {
  return count(function(f).get_concrete(x).graph(), "precision=" + std::to_string(precision));
}

const TensorSpec table({8, 8}), image({2, 8, 8, 8});
Tensor kernel() { return ones({3, 3, 8, 8}); }

}  // namespace

TEST_CASE("words") {
  for (Precision p : {Precision::highest, Precision::high, Precision::medium}) CHECK(precision_of(name_of(p)) == p);
  CHECK_THROWS_WITH_AS(set_matmul_precision("hihg"),
                       doctest::Contains("precision: \"hihg\" is not known. Say highest, high or medium."), UsageError);
  CHECK_THROWS_WITH_AS(PrecisionScope("best"), doctest::Contains("precision_test.cpp:"), UsageError);
  set_matmul_precision("medium");
  CHECK(matmul_precision() == Precision::medium);
  set_matmul_precision("highest");
  CHECK(matmul_precision() == Precision::highest);
}

TEST_CASE("a scope goes before the process, the innermost first, on its own thread") {
  const Set set(Precision::high);
  auto elsewhere = [] {
    Precision p{};
    std::thread([&] { p = matmul_precision(); }).join();
    return p;
  };
  CHECK(matmul_precision() == Precision::high);
  {
    const PrecisionScope outer("medium");
    CHECK(matmul_precision() == Precision::medium);
    {
      const PrecisionScope inner(Precision::highest);
      CHECK(matmul_precision() == Precision::highest);
      CHECK(elsewhere() == Precision::high);
    }
    CHECK(matmul_precision() == Precision::medium);
  }
  CHECK(matmul_precision() == Precision::high);
}

TEST_CASE("options go before a scope; other ops have none") {
  auto f = [](const Tensor& x) {
    const PrecisionScope scope(Precision::high);
    return matmul(x, x) + matmul(x, x, {.precision = Precision::medium}) +
           matmul(x, x, {.precision = Precision::highest}) + outer(x[0], x[0]) + exp(x);
  };
  CHECK(rows(f, table, 1) == 1);
  CHECK(rows(f, table, 2) == 1);
  CHECK(function(f).get_concrete(table).graph().find("precision=0") == std::string::npos);
}

TEST_CASE("gradients keep it, of any order") {
  const MatmulOptions high{.precision = Precision::high};
  auto of_matmul = [&](const Tensor& x) {
    GradientTape outer;
    outer.watch(x);
    GradientTape tape;
    tape.watch(x);
    const Tensor y = matmul(matmul(x, x, high), x, high);
    return outer.gradient(tape.gradient(y, x), x);
  };
  auto of_conv = [](const Tensor& x) {
    GradientTape tape({.persistent = true});
    const Tensor w = kernel();
    tape.watch(x), tape.watch(w);
    const Tensor y = [&] {
      const PrecisionScope scope(Precision::medium);
      return conv2d(x, w) + conv2d_transpose(x(Slice(), Slice(0, 4), Slice(0, 4)), w);
    }();
    const Tensor loss = sum(y * y);
    return std::pair(tape.gradient(loss, x), tape.gradient(loss, w));
  };
  const std::string text = function(of_matmul).get_concrete(table).graph();
  CHECK(count(text, " = matmul(") > 2);
  CHECK(count(text, "precision=1") == count(text, " = matmul("));
  const std::string convs = function(of_conv).get_concrete(image).graph();
  CHECK(count(convs, " = conv") == 6);
  CHECK(count(convs, "precision=2") == 6);
}

TEST_CASE("recompute and custom_gradient run with that of the forward call") {
  auto f = [](bool again) {
    return [again](const Tensor& x) {
      GradientTape tape;
      tape.watch(x);
      const Tensor y = [&] {
        const PrecisionScope scope(Precision::high);
        if (again) return recompute([](const Tensor& v) { return matmul(v, v); })(x);
        return custom_gradient([](const Tensor& v) {
          return std::pair(matmul(v, v), [v](const Tensor& dy) { return matmul(dy, v) + matmul(v, dy); });
        })(x);
      }();
      return tape.gradient(y, x);
    };
  };
  const Tensor x = ones({8, 8});
  for (bool again : {false, true}) {
    CAPTURE(again);
    auto g = function(f(again));
    const Tensor traced = g(x);
    CHECK(count(g.graphs()[0], "precision=1") == count(g.graphs()[0], " = matmul("));
    CHECK(count(g.graphs()[0], "precision=1") > 0);
    CHECK(allclose(traced, f(again)(x)));
  }
}

TEST_CASE("f64 and integers are not concerned") {
  const PrecisionScope scope(Precision::medium);
  CHECK(count(function([](const Tensor& x) { return conv2d(x, kernel().astype(DType::f64)); })
                  .get_concrete(TensorSpec({2, 8, 8, 8}, DType::f64))
                  .graph(),
              "precision=") == 0);
}

TEST_CASE("a function is traced for each precision that it is called with, and says why") {
  auto f = function([](const Tensor& x) { return matmul(x, x) + 1.0; });
  const Tensor x = ones({8, 8});
  f(x);
  CHECK(f.trace_count() == 1);
  {
    const Set set(Precision::high);
    f(x);
    CHECK(f.trace_count() == 2);
    CHECK(f.explain().find("traced because: the precision is now high;") != std::string::npos);
    CHECK(f.graphs()[0].find("precision=1") != std::string::npos);
    CHECK(f.graphs()[1].find("precision=") == std::string::npos);
    const PrecisionScope scope(Precision::medium);
    f(x);
    f.get_concrete(table);
    CHECK(f.trace_count() == 3);
    CHECK(f.explain().find("traced because: the precision is now medium;") != std::string::npos);
  }
  f(x);
  f.get_concrete(table);
  CHECK(f.trace_count() == 3);  // the first one
  const PrecisionScope scope(Precision::high);
  f(ones({9, 9}));
  CHECK(f.explain().find("traced because: no trace has these dtypes and shapes;") != std::string::npos);
}

TEST_CASE("a file keeps it") {
  const std::string path = (std::filesystem::temp_directory_path() / "tapir_precision_test.tapir").string();
  auto text = [&] {
    std::ostringstream s;
    s << std::ifstream(path, std::ios::binary).rdbuf();
    return s.str();
  };
  auto f = function([](const Tensor& x) {
    const PrecisionScope scope(Precision::medium);
    return matmul(x, x) + matmul(x, x, {.precision = Precision::highest});
  });
  const Tensor x = random::normal({8, 8}, {.seed = 1});
  const Tensor y = f(x);
  f.save(path);
  CHECK(count(text(), "precision\\\":2") == 1);
  CHECK(count(text(), "precision\\\":") == 1);
  const auto loaded = load_function(path);
  CHECK(allclose(loaded({x})[0], y, {.rtol = 0, .atol = 0}));
  function([&](const Tensor& v) { return loaded({v})[0]; }).get_concrete(table).save(path);
  CHECK(count(text(), "precision\\\":2") == 1);
  std::filesystem::remove(path);
}

TEST_CASE("without bf16 products, f32 ones are used, and that is said") {
  if (explain(Precision::high) != "high: this CPU has no bf16 products, f32 is used") return;  // bf16_test.cpp
  CHECK(explain(Precision::highest) == "highest: f32 products");
  const Tensor x = random::normal({2, 20, 20, 32}, {.seed = 1}), w = random::normal({3, 3, 32, 48}, {.seed = 2});
  const Tensor a = random::normal({200, 300}, {.seed = 3}), b = random::normal({300, 150}, {.seed = 4});
  auto all = [&](Precision p) {
    const PrecisionScope scope(p);
    GradientTape tape({.persistent = true});
    tape.watch(x), tape.watch(w), tape.watch(a), tape.watch(b);
    const Tensor y = conv2d(x, w), z = matmul(a, b);
    return std::vector<Tensor>{
        y, z, tape.gradient(y, x), tape.gradient(y, w), tape.gradient(z, a), tape.gradient(z, b)};
  };
  const auto highest = all(Precision::highest);
  for (Precision p : {Precision::high, Precision::medium}) {
    const auto got = all(p);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(allclose(got[i], highest[i], {.rtol = 0, .atol = 0}));
    const std::string said = std::string(name_of(p)) + ": this CPU has no bf16 products, f32 is used";
    const ConvPlan plan = conv2d_plan(x.spec(), w.spec(), {.precision = p}), usual = conv2d_plan(x.spec(), w.spec());
    CHECK(plan.precision == said);
    CHECK(plan.str().ends_with("; precision " + said + ")"));
    CHECK(plan.algorithm == usual.algorithm);
    CHECK(usual.precision.empty());
  }
  CHECK_THROWS_WITH_AS(
      conv2d(x, w, {.algorithm = ConvAlgorithm::bf16, .precision = Precision::high}),
      doctest::Contains("conv2d: algorithm bf16 cannot compute it: this machine has no bf16 products."), UsageError);
}
