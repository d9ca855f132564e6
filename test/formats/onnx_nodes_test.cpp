// ONNX's own node tests: all that Debian's libonnx-testdata ships, where it is installed, and some committed ones. What
// came of them is compared with onnx_nodes.txt, line by line, so that nothing is lost, nor won in silence.
#include <tapir/formats/onnx.h>
#include <tapir/ops/shaping.h>
#include <tapir/test/io/files.h>

#include <cmath>
#include <iostream>
#include <map>
#include <set>

using namespace tapir;
namespace fs = std::filesystem;

namespace {

// Operators of families that tapir has not, and why their tests do not count.
const std::map<std::string, std::string> outside = {
    {"Adagrad", "training steps as operators"},
    {"Adam", "training steps as operators"},
    {"Gradient", "training steps as operators"},
    {"Momentum", "training steps as operators"},
    {"GridSample", "detection and sampling"},
    {"MaxUnpool", "detection and sampling"},
    {"NonMaxSuppression", "detection and sampling"},
    {"RoiAlign", "detection and sampling"},
    {"BlackmanWindow", "signals"},
    {"DFT", "signals"},
    {"HammingWindow", "signals"},
    {"HannWindow", "signals"},
    {"MelWeightMatrix", "signals"},
    {"STFT", "signals"},
    {"QLinearConv", "quantised arithmetic"},
    {"QLinearMatMul", "quantised arithmetic"},
    {"StringNormalizer", "text"},
    {"TfIdfVectorizer", "text"},
    {"Bernoulli", "random numbers, which no two libraries draw alike"},
    {"RandomUniformLike", "random numbers, which no two libraries draw alike"},
    {"Optional", "sequences and optional values"},
    {"OptionalGetElement", "sequences and optional values"},
    {"OptionalHasElement", "sequences and optional values"},
    {"SequenceAt", "sequences and optional values"},
    {"SequenceConstruct", "sequences and optional values"},
    {"SequenceEmpty", "sequences and optional values"},
    {"SequenceInsert", "sequences and optional values"},
    {"SequenceLength", "sequences and optional values"},
    {"SequenceMap", "sequences and optional values"},
    {"SplitToSequence", "sequences and optional values"},
    {"Unique", "sets"},
};

std::vector<Tensor> tensors_of(const fs::path& set, const char* prefix) {
  std::vector<Tensor> out;
  for (int i = 0;; ++i) {
    const fs::path file = set / (prefix + std::to_string(i) + ".pb");
    if (!fs::exists(file)) return out;
    out.push_back(onnx::load_tensor(file));
  }
}

// Empty if they agree within a relative 1e-4 (halves 1e-2) and 1e-6.
std::string difference(const Tensor& got, const Tensor& want) {
  if (got.shape() != want.shape()) return "shape " + got.shape().str() + " for " + want.shape().str();
  if (got.dtype() != want.dtype())
    return std::string("dtype ") + name_of(got.dtype()) + " for " + name_of(want.dtype());
  const auto a = got.astype(DType::f64).to_vector<double>(), b = want.astype(DType::f64).to_vector<double>();
  const double relative = is_half(want.dtype()) ? 1e-2 : 1e-4;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (a[i] == b[i] || std::abs(a[i] - b[i]) <= 1e-6 + relative * std::abs(b[i])) continue;
    return "values differ";
  }
  return "";
}

std::string differences(const std::vector<Tensor>& got, const std::vector<Tensor>& want) {
  if (got.size() < want.size()) return "fewer outputs";
  for (std::size_t i = 0; i < want.size(); ++i)
    if (auto d = difference(got[i], want[i]); !d.empty()) return d;
  return "";
}

struct Outcome {
  std::string reason;  // empty: passed
  bool counts = true;  // is it of our families?
  std::string traced = "same";
};

// Tests of ONNX 1.12 that nobody can pass: what they expect is drawn, or wrong.
std::string excused(const std::string& test) {
  if (test.find("window") != std::string::npos) return "expected values were made with pi = 3.1415";
  if (test.find("training_dropout") != std::string::npos) return "expected values were drawn by NumPy";
  if (test.find("BFLOAT16") != std::string::npos) return "bf16 data that says it is u16";
  return "";
}

// What is the reason behind a message: the operators, or the rule without the node's name.
Outcome judged(const std::string& message) {
  const std::string list = "operators that are not supported: ";
  if (auto at = message.find(list); at != std::string::npos) {
    const std::string names = message.substr(at + list.size());
    std::istringstream words(names.substr(0, names.find(" (opset")));
    std::string word;
    while (words >> word) {
      if (word.back() == ',') word.pop_back();
      if (word.starts_with("ai.onnx.preview.training.")) return {"training steps as operators", false};
      if (auto it = outside.find(word); it != outside.end()) return {it->second, false};
    }
    return {"no such operator: " + names.substr(0, names.find(" (opset"))};
  }
  if (message.find("sequence, map or optional") != std::string::npos) return {"sequences and optional values", false};
  if (message.find("ONNX type 8") != std::string::npos) return {"text", false};
  const auto quoted = message.rfind("\": ");
  return {quoted == std::string::npos ? message : message.substr(quoted + 3)};
}

Outcome run(const fs::path& test) {
  try {
    const onnx::Model model = onnx::load(test / "model.onnx");
    Outcome outcome;
    for (auto& entry : fs::directory_iterator(test)) {
      if (!entry.is_directory()) continue;
      const auto in = tensors_of(entry.path(), "input_"), want = tensors_of(entry.path(), "output_");
      if (auto d = differences(model(in), want); !d.empty()) return {d};
      auto traced = function([&](const std::vector<Tensor>& xs) { return model(xs); });
      try {
        if (auto d = differences(traced(in), want); !d.empty()) return {"traced, " + d};
      } catch (const UsageError& e) {
        outcome.traced = "needs values";
      }
    }
    return outcome;
  } catch (const Error& e) {
    return judged(e.what());
  }
}

struct Report {
  int all = 0, ours = 0, passed = 0, traced = 0;
  std::map<std::string, std::set<std::string>> failed, not_ours;
  std::string text() const {
    std::ostringstream out;
    out << all << " node tests, " << ours << " of our families: " << passed << " passed, " << traced
        << " of them also traced\n";
    for (auto& [title, list] : {std::pair("failed", failed), std::pair("not counted", not_ours)})
      for (auto& [reason, names] : list) {
        out << title << ": " << reason << ": " << names.size() << "\n";
        if (std::string(title) == "failed")
          for (auto& n : names) out << "  " << n << "\n";
      }
    return out.str();
  }
};

Report run_all(const fs::path& folder) {
  Report r;
  for (auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    const Outcome o = run(entry.path());
    ++r.all;
    r.ours += o.counts;
    if (o.reason.empty()) ++r.passed, r.traced += o.traced == "same";
    else if (!o.counts) r.not_ours[o.reason].insert(name);
    else r.failed[excused(name).empty() ? o.reason : excused(name)].insert(name);
  }
  return r;
}

fs::path here(const std::string& name) { return files::source_path("test/formats/" + name); }

}  // namespace

TEST_CASE("the node tests that are committed pass, eager and traced") {
  const Report r = run_all(here("onnx_nodes"));
  CHECK_MESSAGE(r.passed == r.all, r.text());
  CHECK(r.all >= 20);
}

TEST_CASE("all node tests of Debian's libonnx-testdata do what onnx_nodes.txt says") {
  const fs::path all = "/usr/share/libonnx-testdata/data/node";
  if (!fs::exists(all)) {
    MESSAGE("skipped: libonnx-testdata is not installed");
    return;
  }
  const Report r = run_all(all);
  std::cout << r.text();
  CHECK(r.passed >= 0.85 * r.ours);
  CHECK_MESSAGE(r.text() == files::bytes_of(here("onnx_nodes.txt")),
                "if it is better: onnx_nodes_test > onnx_nodes.txt");
}
