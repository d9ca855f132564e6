// https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto (graph.proto, node_def.proto,
// attr_value.proto, types.proto). Numbers below are those of their fields.
#include <tapir/io/protobuf.h>
#include <tapir/look/graph_def.h>

#include <fmt/format.h>

#include <cctype>
#include <map>
#include <set>

namespace tapir::look {
namespace {

using detail::Proto;
using graph::line_of;

int type_number(DType d) {
  switch (d) {
    case DType::f32:
      return 1;
    case DType::f64:
      return 2;
    case DType::i32:
      return 3;
    case DType::u8:
      return 4;
    case DType::i16:
      return 5;
    case DType::i8:
      return 6;
    case DType::i64:
      return 9;
    case DType::boolean:
      return 10;
    case DType::bf16:
      return 14;
    default:
      return 19;  // f16
  }
}

// Letters, digits and `._-` as TensorFlow wants it; slashes make groups.
std::string valid(std::string name) {
  for (auto& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-' && c != '/') c = '_';
  if (name.empty() || !(std::isalnum(static_cast<unsigned char>(name[0])) || name[0] == '.')) name = "n" + name;
  return name;
}

class GraphWriter {
 public:
  GraphWriter(const graph::Concrete& concrete, const graph::Graph& g) : c_(concrete), g_(g) {
    std::set<std::string> files, lines;
    for (auto& n : g.nodes) files.insert(n.where.file_name()), lines.insert(line_of(n.where));
    by_line_ = lines.size() > 1;
    by_file_ = files.size() > 1;
  }

  std::string write() {
    name_of_.resize(g_.values.size());
    for (std::size_t i = 0; i < g_.inputs.size(); ++i) {
      const auto v = std::size_t(g_.inputs[i]), own = std::size_t(c_.arguments());
      const bool argument = i < own;
      name_of_[v] = unique(argument ? fmt::format("argument_{}", i) : c_.variables()[i - own].name());
      Proto node = start(name_of_[v], argument ? "Placeholder" : "Variable");
      typed(node, {int(v)});
      out_.message(1, node);
    }
    for (auto& n : g_.nodes) operation(n);
    for (std::size_t k = 0; k < g_.outputs.size(); ++k) {
      const auto results = std::size_t(c_.results());
      std::string name = fmt::format("result_{}", k);
      if (k >= results) {
        const int assigned = c_.assigned()[k - results];
        name = c_.variables()[std::size_t(assigned)].name() + "/assign";
      }
      Proto node = start(unique(name), k < results ? "Identity" : "Assign");
      node.text(3, input(g_.outputs[k]));
      typed(node, {g_.outputs[k]});
      out_.message(1, node);
    }
    constexpr int producer = 27;  // any since 2017
    return out_.message(4, Proto().integer(1, producer)).bytes();
  }

 private:
  // Short, for TensorBoard cuts names: "line_41", with several files "train_41".
  std::string group_of(const Where& where) const {
    if (!by_line_ || !where.line()) return "";
    const std::string line = line_of(where);
    return fmt::format("{}_{}/", by_file_ ? line.substr(0, line.find('.')) : "line", where.line());
  }

  std::string unique(const std::string& wanted) {
    const std::string name = valid(wanted);
    const int n = taken_[name]++;
    return n == 0 ? name : unique(fmt::format("{}_{}", name, n));
  }

  static Proto start(const std::string& name, const std::string& op) { return Proto().text(1, name).text(2, op); }

  static void attribute(Proto& node, const std::string& name, const Proto& value) {
    node.message(5, Proto().text(1, name).message(2, value));
  }

  Proto shape(const Shape& s) const {
    Proto out;
    for (auto d : s) out.message(2, Proto().integer(1, c_.symbols().in({d}) ? -1 : d));
    return out;
  }

  void typed(Proto& node, const std::vector<int>& values) const {
    Proto shapes;
    for (int v : values) shapes.message(7, shape(g_.spec(v).shape));
    attribute(node, "_output_shapes", Proto().message(1, shapes));
    if (!values.empty()) attribute(node, "dtype", Proto().integer(6, type_number(g_.spec(values[0]).dtype)));
  }

  // Constants get a node beside the first that reads them.
  std::string input(int value, const std::string& group = "") {
    auto& name = name_of_[std::size_t(value)];
    if (!name.empty()) return name;
    const Tensor& t = g_.values[std::size_t(value)].constant;
    name = unique(group + "constant");
    Proto node = start(name, "Const");
    typed(node, {value});
    if (t.defined() && t.size() == 1 && t.has_data()) attribute(node, "value", Proto().text(2, t.str()));
    out_.message(1, node);
    return name;
  }

  void operation(const graph::Node& n) {
    const std::string line = line_of(n.where);
    const std::string name = unique(group_of(n.where) + n.op->name);
    Proto node = start(name, n.op->name);
    for (int v : n.in) node.text(3, input(v, group_of(n.where)));
    for (std::size_t k = 0; k < n.out.size(); ++k)
      name_of_[std::size_t(n.out[k])] = k ? fmt::format("{}:{}", name, k) : name;
    typed(node, n.out);
    if (const std::string attrs = n.attrs.get().str(); !attrs.empty())
      attribute(node, "attributes", Proto().text(2, attrs));
    if (!n.note.empty()) attribute(node, "fused", Proto().text(2, n.note));
    if (!line.empty()) attribute(node, "line", Proto().text(2, line));
    out_.message(1, node);
  }

  const graph::Concrete& c_;
  const graph::Graph& g_;
  bool by_line_ = false, by_file_ = false;
  std::map<std::string, int> taken_;
  std::vector<std::string> name_of_;  // by value
  Proto out_;
};

}  // namespace

std::string graph_def(const graph::Concrete& concrete, bool optimised) {
  if (optimised)
    for (auto& e : concrete.executables()) return GraphWriter(concrete, e->graph()).write();
  return GraphWriter(concrete, concrete.traced()).write();
}

}  // namespace tapir::look
