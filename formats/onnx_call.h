// An ONNX operator here: a row of a table, and what its function is called with. Internal to formats/.
#pragma once
#include <tapir/formats/onnx_file.h>
#include <tapir/ops/einsum.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>

#include <span>

namespace tapir::onnx::detail {

struct Program;
using Integers = std::vector<std::int64_t>;

/// One node that is run: its inputs, undefined where the file leaves them out, and attributes.
class Call {
 public:
  Call(const Node& node, std::span<const Tensor> in, int opset, const FileContext& context,
       std::span<const std::pair<std::string, std::shared_ptr<const Program>>> bodies,
       std::span<const std::vector<Tensor>> captured)
      : node_(node), in_(in), opset_(opset), context_(context), bodies_(bodies), captured_(captured) {}

  /// An input that must be there.
  const Tensor& operator[](std::size_t i) const {
    if (!has(i)) fail("input " + std::to_string(i) + " is missing");
    return in_[i];
  }
  bool has(std::size_t i) const { return i < in_.size() && in_[i].defined(); }
  std::span<const Tensor> in() const { return in_; }
  /// How many outputs somebody may read.
  std::size_t outputs() const { return node_.out.size(); }
  /// Does anybody read output i?
  bool wants(std::size_t i) const { return i < node_.out.size() && !node_.out[i].empty(); }
  int opset() const { return opset_; }
  const Node& node() const { return node_; }
  const FileContext& context() const { return context_; }

  std::int64_t integer(const char* name, std::int64_t fallback) const {
    auto* a = node_.find(name);
    return a ? a->integer : fallback;
  }
  bool flag(const char* name, bool fallback = false) const { return integer(name, fallback) != 0; }
  double number(const char* name, double fallback) const {
    auto* a = node_.find(name);
    return a ? a->number : fallback;
  }
  std::string text(const char* name, const char* fallback = "") const {
    auto* a = node_.find(name);
    return a ? a->text : fallback;
  }
  bool given(const char* name) const { return node_.find(name) != nullptr; }
  Integers integers(const char* name, Integers fallback = {}) const {
    auto* a = node_.find(name);
    return a ? a->integers : fallback;
  }
  /// The numbers of an input whose value must be known: a shape, axes. i64.
  Integers values(std::size_t i) const;
  double value(std::size_t i) const;
  /// Axes or sizes: input i in files where they are one, attribute `name` in others.
  Integers either(std::size_t i, const char* name) const { return has(i) ? values(i) : integers(name); }
  /// Runs a graph of an attribute: If, Loop, Scan.
  std::vector<Tensor> body(const char* attribute, std::span<const Tensor> inputs) const;

  /// Throws UsageError that names the node.
  [[noreturn]] void fail(const std::string& rule) const;

 private:
  const Node& node_;
  std::span<const Tensor> in_;
  int opset_;
  const FileContext& context_;
  std::span<const std::pair<std::string, std::shared_ptr<const Program>>> bodies_;
  std::span<const std::vector<Tensor>> captured_;  // of each body
};

using Results = std::vector<Tensor>;

struct Row {
  const char* name;
  Results (*run)(const Call& c);
  int since = 1, until = 0;   // opsets; 0: no end
  std::size_t values_at = 9;  // inputs from here on are no weights: their values are read, or statistics
};

std::span<const Row> elementwise_rows();
std::span<const Row> shaping_rows();
std::span<const Row> indexing_rows();
std::span<const Row> reduction_rows();
std::span<const Row> window_rows();
std::span<const Row> normalization_rows();
std::span<const Row> recurrent_rows();
std::span<const Row> control_rows();
std::span<const Row> quantization_rows();
std::span<const Row> resize_rows();
/// Null if there is none.
const Row* find_row(const std::string& op, int opset);

/// `axis` counted from the end if negative. Throws UsageError.
std::int64_t axis_of(const Call& c, std::int64_t axis, int rank);
/// Numbers of an attribute as a tensor.
template <class T>
Tensor list_of(const std::vector<T>& numbers) {
  return Tensor::from_vector(numbers);
}

}  // namespace tapir::onnx::detail
