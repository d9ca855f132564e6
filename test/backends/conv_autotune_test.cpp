// Measured choices among convolution algorithms: taken, kept in a file, read again; files that do not fit are left
// alone.
#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace tapir;

namespace {

// A file of its own, and the choice by expectation again at the end.
struct Tuned {
  std::string file;
  explicit Tuned(const char* name)
      : file(
            (std::filesystem::temp_directory_path() / ("tapir_autotune_" + std::to_string(getpid()) + name)).string()) {
    std::filesystem::remove(file);
  }
  ~Tuned() {
    autotune_convolutions("");
    std::filesystem::remove(file);
  }
  std::string text() const {
    std::ostringstream s;
    s << std::ifstream(file).rdbuf();
    return s.str();
  }
  void write(const std::string& text) const { std::ofstream(file) << text; }
};

// What f() prints on stderr.
template <class F>
std::string errors_of(F&& f) {
  std::fflush(stderr);
  const int before = dup(2);
  std::FILE* file = std::tmpfile();
  dup2(fileno(file), 2);
  f();
  std::fflush(stderr);
  dup2(before, 2);
  close(before);
  std::rewind(file);
  std::string text;
  for (int c; (c = std::fgetc(file)) != EOF;) text += char(c);
  std::fclose(file);
  return text;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

double difference(const Tensor& a, const Tensor& b) { return max(abs(a - b)).item<double>(); }

const Tensor x = random::normal({2, 12, 11, 8}, {.seed = 1}), k = random::normal({3, 3, 8, 16}, {.seed = 2});
ConvPlan plan(ConvDirection d = ConvDirection::forward) { return conv2d_plan(x.spec(), k.spec(), {}, d); }
const ConvOptions by_reference{.algorithm = ConvAlgorithm::reference};

}  // namespace

TEST_CASE("the choice by expectation is the default, and always the same") {
  const std::string why = plan().str();
  CHECK(why.find("(expected: ") != std::string::npos);
  for (int i = 0; i < 3; ++i) {
    (void)conv2d(x, k);
    CHECK(plan().str() == why);
  }
}

TEST_CASE("a measured choice is taken, kept, and read again") {
  Tuned tuned("a");
  autotune_convolutions(tuned.file);
  CHECK(plan().why != "measured");  // nothing was called yet
  CHECK(difference(conv2d(x, k), conv2d(x, k, by_reference)) < 1e-4);
  const ConvPlan measured = plan();
  CHECK(measured.why == "measured");
  CHECK(measured.str() == std::string(name_of(measured.algorithm)) + " (measured)");
  CHECK(plan(ConvDirection::kernel_gradient).why != "measured");
  const std::string text = tuned.text();
  CHECK(text.starts_with("tapir autotune 1, library "));
  CHECK(text.ends_with(" -> " + std::string(name_of(measured.algorithm)) + "\n"));
  (void)conv2d(x, k);
  CHECK(tuned.text() == text);  // once a shape

  autotune_convolutions("");
  CHECK(plan().why.starts_with("expected: "));
  CHECK(errors_of([&] { autotune_convolutions(tuned.file); }) == "");
  CHECK(plan().str() == measured.str());
  CHECK(tuned.text() == text);
}

TEST_CASE("what the file says is taken, if it can compute the convolution") {
  Tuned tuned("b");
  autotune_convolutions(tuned.file);
  (void)conv2d(x, k);
  const std::string text = tuned.text(), arrow = " -> " + std::string(name_of(plan().algorithm));
  tuned.write(replaced(text, arrow, " -> reference"));
  autotune_convolutions(tuned.file);
  CHECK(plan().str() == "reference (measured)");
  CHECK(difference(conv2d(x, k), conv2d(x, k, by_reference)) == 0);
  // Options and scopes come first.
  CHECK(conv2d_plan(x.spec(), k.spec(), {.algorithm = ConvAlgorithm::im2col}).str() == "im2col (forced)");
  tuned.write(replaced(text, arrow, " -> depthwise"));
  autotune_convolutions(tuned.file);
  CHECK(plan().why.starts_with("expected: "));
  (void)conv2d(x, k);
  CHECK(plan().why == "measured");
  CHECK(plan().algorithm != ConvAlgorithm::depthwise);
}

TEST_CASE("a foreign or broken file is ignored with a line, and not written to") {
  Tuned tuned("c");
  autotune_convolutions(tuned.file);
  (void)conv2d(x, k);
  const std::string text = tuned.text(), first = text.substr(0, text.find('\n'));
  struct Case {
    std::string text, wrong;
  };
  for (auto& c : {Case{replaced(text, "library ", "library 9"), "its first line is \"" +
                                                                    replaced(first, "library ", "library 9") +
                                                                    "\", here it would be \"" + first + "\""},
                  Case{"PNG\n", "its first line is \"PNG\", here it would be \"" + first + "\""},
                  Case{text + "forward f32 -> magic\n", "it has a line \"forward f32 -> magic\""},
                  Case{text + "half a line", "it has a line \"half a line\""}}) {
    tuned.write(c.text);
    CHECK(errors_of([&] { autotune_convolutions(tuned.file); }) ==
          "tapir: autotune: " + tuned.file + " is ignored: " + c.wrong + ".\n");
    CHECK(plan().why.starts_with("expected: "));
    (void)conv2d(x, k);
    CHECK(plan().why == "measured");  // for this run
    CHECK(tuned.text() == c.text);
  }
}

TEST_CASE("a file that cannot be written costs a line") {
  const std::string file = "/nowhere/to/be/found";
  autotune_convolutions(file);
  const std::string said =
      errors_of([&] { (void)conv2d(x, k), (void)conv2d(x, k + k), (void)conv2d(x + x, k, {.strides = {2}}); });
  autotune_convolutions("");
  CHECK(said == "tapir: autotune: " + file + " cannot be written; choices are kept for this run alone.\n");
}

TEST_CASE("measuring leaves operands alone, eager and traced, in every direction") {
  Tuned tuned("d");
  const Tensor skip = random::normal({2, 10, 9, 16}, {.seed = 3});
  auto step = [&](const Tensor& a, const Tensor& b, const Tensor& c, const ConvOptions& o) {
    GradientTape tape;
    tape.watch(a), tape.watch(b);
    const Tensor y = relu(conv2d(a, b, o) + c);
    auto [da, db] = tape.gradient(y, a, b);
    return std::vector<Tensor>{y, da, db};
  };
  const auto want = step(x, k, skip, by_reference);
  autotune_convolutions(tuned.file);
  auto traced =
      function([&](const Tensor& a, const Tensor& b, const Tensor& c) { return step(a * 1.0f, b, c + 0.0f, {}); });
  for (int i = 0; i < 2; ++i)
    for (auto& got : {step(x, k, skip, {}), traced(x, k, skip)})
      for (std::size_t j = 0; j < want.size(); ++j) CHECK(difference(got[j], want[j]) < 2e-3);
  for (auto d : {ConvDirection::forward, ConvDirection::input_gradient, ConvDirection::kernel_gradient})
    CHECK(plan(d).why == "measured");
}
