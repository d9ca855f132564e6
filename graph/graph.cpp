#include <tapir/graph/graph.h>

#include <fmt/format.h>

namespace tapir::graph {

std::vector<int> producers(const Graph& g) {
  std::vector<int> by(g.values.size(), -1);
  for (std::size_t n = 0; n < g.nodes.size(); ++n)
    for (int v : g.nodes[n].out) by[std::size_t(v)] = int(n);
  return by;
}

std::vector<int> use_counts(const Graph& g) {
  std::vector<int> uses(g.values.size(), 0);
  for (auto& n : g.nodes)
    for (int v : n.in) ++uses[std::size_t(v)];
  for (int v : g.outputs) ++uses[std::size_t(v)];
  return uses;
}

Tensor stand_in(const Value& v) {
  return v.constant.defined() ? v.constant : Tensor::only_spec(v.spec.shape, v.spec.dtype);
}

void verify(const Graph& g, const char* after) {
  auto fail = [&](const std::string& what) {
    throw InternalError(fmt::format("graph after {}: {}\n{}", after, what, to_text(g)));
  };
  std::vector<char> known(g.values.size(), 0);
  for (std::size_t v = 0; v < g.values.size(); ++v) known[v] = g.values[v].constant.defined();
  for (int v : g.inputs) known.at(std::size_t(v)) = 1;
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    std::vector<Tensor> in;
    for (int v : n.in) {
      if (v < 0 || std::size_t(v) >= known.size() || !known[std::size_t(v)])
        fail(fmt::format("node {} reads %{} before it is made.", i, v));
      in.push_back(stand_in(g.values[std::size_t(v)]));
    }
    // A graph of a file may have a row of too few operands: those that `infer` misses are undefined, which it says.
    static constexpr std::size_t kMost = 8;
    const std::size_t given = in.size();
    in.resize(given + kMost);
    const auto refs = refs_of(in);
    Specs specs;
    n.op->infer(Inputs(std::span(refs).first(given)), n.attrs.get(), specs);
    if (specs.size() != n.out.size())
      fail(fmt::format("node {} ({}) has {} outputs, infer says {}.", i, n.op->name, n.out.size(), specs.size()));
    for (std::size_t k = 0; k < n.out.size(); ++k) {
      const Spec& s = g.spec(n.out[k]);
      if (!(s.shape == specs[k].shape) || s.dtype != specs[k].dtype)
        fail(fmt::format("node {} ({}): output {} is {} {}, infer says {} {}.", i, n.op->name, k, name_of(s.dtype),
                         s.shape.str(), name_of(specs[k].dtype), specs[k].shape.str()));
      if (known[std::size_t(n.out[k])]) fail(fmt::format("%{} is made twice.", n.out[k]));
      known[std::size_t(n.out[k])] = 1;
    }
  }
  for (int v : g.outputs)
    if (v < 0 || std::size_t(v) >= known.size() || !known[std::size_t(v)])
      fail(fmt::format("output %{} is never made.", v));
}

std::string line_of(const Where& where) {
  const std::string file = where.file_name();
  return where.line() ? fmt::format("{}:{}", file.substr(file.rfind('/') + 1), where.line()) : "";
}

static std::string typed(const Graph& g, int v) {
  const Value& x = g.values[std::size_t(v)];
  if (x.constant.defined() && x.spec.shape.rank() == 0 && x.constant.has_data())
    return x.constant.is_weak() || is_floating(x.spec.dtype)
               ? fmt::format("{}", x.constant.astype(DType::f64).item<double>())
               : fmt::format("{}", x.constant.item<std::int64_t>());
  return fmt::format("{}{}", x.constant.defined() ? "const" : "%", v);
}

std::string to_text(const Graph& g) {
  std::string s = "inputs:";
  for (int v : g.inputs) s += fmt::format(" %{} {}{}", v, name_of(g.spec(v).dtype), g.spec(v).shape.str());
  s += "\n";
  for (auto& n : g.nodes) {
    std::string left, right, attrs = n.attrs.get().str();
    for (int v : n.out)
      left += fmt::format("{}%{} {}{}", left.empty() ? "" : ", ", v, name_of(g.spec(v).dtype), g.spec(v).shape.str());
    for (int v : n.in) right += (right.empty() ? "" : ", ") + typed(g, v);
    s += fmt::format("  {} = {}({}){}{}", left, n.op->name, right, attrs.empty() ? "" : " " + attrs,
                     n.note.empty() ? "" : fmt::format(" [{}]", n.note));
    if (n.where.line()) s += "  # " + line_of(n.where);
    s += "\n";
  }
  s += "outputs:";
  for (int v : g.outputs) s += " " + typed(g, v);
  return s + "\n";
}

std::string to_dot(const Graph& g) {
  std::string s = "digraph tapir {\n  node [shape=box, fontname=\"sans-serif\", style=rounded];\n";
  auto label = [&](int v) { return fmt::format("{}{}", name_of(g.spec(v).dtype), g.spec(v).shape.str()); };
  const auto by = producers(g);
  for (int v : g.inputs) s += fmt::format("  v{} [label=\"input {}\", shape=ellipse];\n", v, label(v));
  for (std::size_t i = 0; i < g.nodes.size(); ++i) {
    s += fmt::format("  n{} [label=\"{}{}\"];\n", i, g.nodes[i].op->name,
                     g.nodes[i].note.empty() ? "" : "\\n" + g.nodes[i].note);
    for (int v : g.nodes[i].in) {
      if (g.is_constant(v)) continue;
      const int p = by[std::size_t(v)];
      s += fmt::format("  {} -> n{} [label=\"{}\"];\n", p < 0 ? fmt::format("v{}", v) : fmt::format("n{}", p), i,
                       label(v));
    }
  }
  for (std::size_t k = 0; k < g.outputs.size(); ++k) {
    const int v = g.outputs[k], p = by[std::size_t(v)];
    s += fmt::format("  o{} [label=\"output {}\", shape=ellipse];\n", k, label(v));
    if (p >= 0) s += fmt::format("  n{} -> o{};\n", p, k);
  }
  return s + "}\n";
}

std::vector<Tensor> replay(const Graph& g, std::span<const Tensor> inputs) {
  std::vector<Tensor> values(g.values.size());
  for (std::size_t v = 0; v < values.size(); ++v) values[v] = g.values[v].constant;
  for (std::size_t i = 0; i < g.inputs.size(); ++i) values[std::size_t(g.inputs[i])] = inputs[i];
  std::vector<Inputs::Ref> refs;
  for (auto& n : g.nodes) {
    refs.clear();
    for (int v : n.in) refs.emplace_back(values[std::size_t(v)]);
    Tensors out = apply_all(*n.op, Inputs(refs), n.attrs.get(), n.where);
    for (std::size_t k = 0; k < n.out.size(); ++k) values[std::size_t(n.out[k])] = out[k];
  }
  std::vector<Tensor> out;
  for (int v : g.outputs) out.push_back(values[std::size_t(v)]);
  return out;
}

}  // namespace tapir::graph
