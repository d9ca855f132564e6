// onnx::save: a trace, node by node, as an ONNX model.
#include <tapir/formats/onnx_writer.h>
#include <tapir/graph/passes.h>
#include <tapir/io/output_file.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::onnx {

namespace {

using detail::Proto;
using detail::Writer;
using detail::WriteRow;

const WriteRow* row_of(const graph::Node& n) {
  for (auto rows : {detail::written_elementwise(), detail::written_others()})
    for (auto& r : rows)
      if (graph::is(n, r.op)) return &r;
  return nullptr;
}

std::vector<std::string> names_of(const char* what, const std::vector<std::string>& given, int count) {
  if (given.empty()) {
    std::vector<std::string> all;
    for (int i = 0; i < count; ++i) all.push_back(count == 1 ? what : fmt::format("{}_{}", what, i));
    return all;
  }
  const std::set<std::string> different(given.begin(), given.end());
  if (given.size() != std::size_t(count) || different.size() != given.size() || different.contains(""))
    throw UsageError(fmt::format("onnx::save: {} names for {} {}s, or names that are empty or there twice.",
                                 given.size(), count, what));
  return given;
}

void check_operations(const graph::Graph& g) {
  std::set<std::string> unknown;
  for (auto& n : g.nodes)
    if (!row_of(n)) unknown.insert(n.op->name);
  if (!unknown.empty()) throw UsageError(fmt::format("onnx::save: no way to write: {}.", fmt::join(unknown, ", ")));
}

// Results are given their names by nodes of their own, for one value may be several results, or an argument.
std::string model_of(const graph::Concrete& c, const SaveOptions& options) {
  const graph::Graph g = graph::prune(graph::loop_unrolling(c.traced()));
  check_operations(g);
  const auto inputs = names_of("input", options.inputs, c.arguments());
  const auto outputs = names_of("output", options.outputs, c.results());
  Writer w(g, c.symbols());
  Proto infos;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) {
    const int v = g.inputs[i];
    if (i < inputs.size()) {
      w.reserve(inputs[i]);
      w.call(v, inputs[i]);
      infos.message(11, w.info(inputs[i], g.spec(v)));
    }
  }
  for (auto& o : outputs) w.reserve(o);
  for (std::size_t i = inputs.size(); i < g.inputs.size(); ++i) {
    const Variable& v = c.variables()[i - inputs.size()];
    w.add_weight(g.inputs[i], v.name(), v.value());
  }
  for (auto& n : g.nodes) {
    const auto* row = row_of(n);
    const auto names = row->write(w, n, row->to);
    for (std::size_t i = 0; i < names.size(); ++i) w.call(n.out[i], names[i]);
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const int v = g.outputs[i];
    w.add_all("Identity", {w.name(v)}, {outputs[i]});
    infos.message(12, w.info(outputs[i], g.spec(v)));
  }
  Proto opset, model;  // GraphProto: node 1, name 2, initializer 5, input 11, output 12
  opset.text(1, "").integer(2, 17);
  Proto name;
  name.text(2, "tapir");
  model.integer(1, 8).text(2, "tapir");
  model.text(7, w.nodes().bytes() + name.bytes() + w.initializers().bytes() + infos.bytes());
  model.message(8, opset);
  return model.bytes();
}

}  // namespace

void save(const std::string& path, const tapir::detail::ConcreteCore& f, const SaveOptions& options, Where where) {
  CallSite site(where);
  const graph::Concrete& c = *f.concrete();
  if (!c.assigned().empty())
    throw UsageError(
        "onnx::save: the function assigns Variables, which ONNX cannot do. Trace the forward pass alone: "
        "training = false.");
  const std::string bytes = model_of(c, options);
  if (bytes.size() >= (std::size_t(1) << 31))
    throw UsageError("onnx::save: the model has 2 GB or more; a protocol buffer cannot hold it.");
  tapir::detail::OutputFile out({"onnx::save", path});
  out.write(bytes);
  out.commit();
}

std::vector<std::string> saved_operations() {
  std::vector<std::string> all;
  for (auto rows : {detail::written_elementwise(), detail::written_others()})
    for (auto& r : rows) all.emplace_back(r.op);
  std::ranges::sort(all);
  return all;
}

}  // namespace tapir::onnx
