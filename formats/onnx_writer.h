// A graph of ours on its way into an ONNX file: values have names, rows write nodes. Internal to formats/.
#pragma once
#include <tapir/formats/onnx_file.h>
#include <tapir/graph/concrete.h>
#include <tapir/graph/rewrite.h>
#include <tapir/io/protobuf.h>

#include <map>
#include <set>

namespace tapir::onnx::detail {

using tapir::detail::Proto;
using Integers = std::vector<std::int64_t>;
using Names = std::vector<std::string>;

/// An attribute of a node to be written.
Proto attribute(const char* name, std::int64_t v);
Proto attribute(const char* name, double v);
Proto attribute(const char* name, const Integers& v);
Proto attribute(const char* name, const char* v);
/// TensorProto
Proto tensor_proto(const std::string& name, const Tensor& t);

class Writer {
 public:
  Writer(const graph::Graph& g, const graph::Symbols& symbols) : g_(g), symbols_(symbols) {}

  /// What a value of the graph is called; constants are written when they are first asked for.
  std::string name(int value);
  void call(int value, const std::string& name) { names_[value] = name; }
  /// No weight is called so.
  void reserve(const std::string& name) { taken_.insert(name); }
  /// A weight: its value is known.
  void add_weight(int value, const std::string& name, const Tensor& now);

  /// Adds a node and gives the name of its only output.
  std::string add(const char* op, const Names& in, const std::vector<Proto>& attributes = {});
  /// Adds a node of several outputs.
  void add_all(const char* op, const Names& in, const Names& out, const std::vector<Proto>& attributes = {});
  std::string constant(const Tensor& t, const std::string& prefix = "c");
  std::string constant(const Integers& numbers) { return constant(Tensor::from_vector(numbers)); }
  /// A number of a value's dtype.
  std::string number(double v, DType dtype);
  /// A name that nothing has.
  std::string fresh(const std::string& prefix = "v");

  const Spec& spec(int value) const { return g_.spec(value); }
  const Shape& shape(int value) const { return g_.spec(value).shape; }
  /// Cast to `dtype` if it is another.
  std::string as(int value, DType dtype);
  /// The value with its dimensions in another order; done now if it is a weight or constant.
  std::string permuted(int value, const Integers& order);
  /// A shape as a tensor: a constant, with -1 for one size that is open if `reshape`, or computed from an input's
  /// shape.
  std::string sizes(const Shape& s, bool reshape = false);
  bool is_open(std::int64_t size) const { return symbols_.in(Shape{size}); }
  bool is_open(const Shape& s) const { return symbols_.in(s); }
  /// Its value if it is known, undefined otherwise.
  Tensor known(int value) const;

  const graph::Graph& graph() const { return g_; }
  /// The fields of a GraphProto, nodes first.
  const Proto& nodes() const { return nodes_; }
  const Proto& initializers() const { return initializers_; }
  /// A ValueInfoProto.
  Proto info(const std::string& name, const Spec& spec) const;

 private:
  std::string open_size(std::int64_t v);  // [1]
  const graph::Graph& g_;
  const graph::Symbols& symbols_;
  std::map<int, std::string> names_;
  std::map<int, Tensor> weights_;  // not yet written
  std::map<std::pair<int, Integers>, std::string> permuted_;
  std::set<std::string> taken_;
  Proto nodes_, initializers_;
  int next_ = 0;
};

/// How an operation of ours is written: gives the names of its outputs. `to`: its name in ONNX, if one serves.
using WriteOf = Names (*)(Writer& w, const graph::Node& n, const char* to);
struct WriteRow {
  const char* op;  // ours
  WriteOf write;
  const char* to = "";
};
std::span<const WriteRow> written_elementwise();
std::span<const WriteRow> written_others();

}  // namespace tapir::onnx::detail
