// The graph is JSON in the metadata, key "tapir": {version, functions: {name: [graphs]}, variables, graphs}. A graph
// may refer to graphs before it alone (bodies of control flow), so there are no cycles.
#include <tapir/graph/concrete.h>
#include <tapir/graph/handle.h>
#include <tapir/io/function_file.h>
#include <tapir/io/safetensors.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tapir {

using graph::Concrete;
using graph::Graph;
using json = nlohmann::ordered_json;

namespace {

constexpr int kVersion = 1;

json shape_json(const Shape& s) { return json(s.to_vector()); }

struct AttrWriter final : AttrVisitor {
  json out = json::object();
  void operator()(const char* name, std::int64_t& v) override { out[name] = v; }
  void operator()(const char* name, double& v) override {
    if (std::isfinite(v)) out[name] = v;
    else out[name] = std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
  }
  void operator()(const char* name, bool& v) override { out[name] = v; }
  void operator()(const char* name, Shape& v) override { out[name] = shape_json(v); }
  void operator()(const char* name, DType& v) override { out[name] = name_of(v); }
};

struct Writer {
  io::NamedTensors tensors;
  json variables = json::array(), graphs = json::array();
  std::vector<Variable> known;
  std::map<const Concrete*, int> written;
  std::set<std::string> names;

  std::string unique(std::string name) {
    if (name.empty() || name == "__metadata__") name = "variable";
    std::string n = name;
    for (int i = 2; !names.insert(n).second; ++i) n = fmt::format("{}#{}", name, i);
    return n;
  }

  int variable(const Variable& v) {
    for (std::size_t i = 0; i < known.size(); ++i)
      if (known[i] == v) return int(i);
    const std::string name = unique(v.name());
    tensors.emplace_back(name, v.value());
    variables.push_back({{"name", v.name()}, {"tensor", name}, {"trainable", v.trainable()}});
    known.push_back(v);
    return int(known.size()) - 1;
  }

  // A constant that one number fills is written as that number.
  json constant(const Tensor& c) {
    if (auto body = graph::concrete_of(c)) return {{"graph", concrete(*body)}};
    bool splat = c.size() > 1;
    for (int i = 0; i < c.rank(); ++i) splat &= c.shape()[i] == 1 || c.strides()[i] == 0;
    const std::string name = unique(fmt::format("constant/{}", tensors.size()));
    Tensor stored = splat ? c.view_as({}, {}) : c.is_weak() ? c.astype(c.dtype()) : c;
    tensors.emplace_back(name, stored);
    json out{{"tensor", name}};
    if (splat) out["splat"] = true;
    if (c.is_weak()) out["weak"] = true;
    return out;
  }

  int concrete(const Concrete& c) {
    if (auto it = written.find(&c); it != written.end()) return it->second;
    const Graph& g = c.traced();
    std::vector<int> number(g.values.size(), -1);
    json values = json::array(), nodes = json::array();
    auto value = [&](int v) {
      int& n = number[std::size_t(v)];
      if (n >= 0) return n;
      json j{{"dtype", name_of(g.spec(v).dtype)}, {"shape", shape_json(g.spec(v).shape)}};
      if (g.is_constant(v)) j["constant"] = constant(g.values[std::size_t(v)].constant);
      values.push_back(j);
      return n = int(values.size()) - 1;
    };
    auto list = [&](const std::vector<int>& vs) {
      json out = json::array();
      for (int v : vs) out.push_back(value(v));
      return out;
    };
    json inputs = list(g.inputs);
    for (auto& n : g.nodes) {
      AttrWriter attrs;
      graph::OwnAttrs copy = n.attrs;
      copy.visit(attrs);
      json in = list(n.in), out = list(n.out);
      json j{{"op", n.op->name}, {"in", in}, {"out", out}};
      if (!attrs.out.empty()) j["attrs"] = attrs.out;
      nodes.push_back(j);
    }
    json reads = json::array();
    for (auto& v : c.variables()) reads.push_back(variable(v));
    json j{{"unknown", c.symbols().numbers().size()},
           {"arguments", c.arguments()},
           {"results", c.results()},
           {"inputs", inputs},
           {"outputs", list(g.outputs)},
           {"reads", reads},
           {"assigns", c.assigned()},
           {"values", values},
           {"nodes", nodes}};
    graphs.push_back(j);
    return written[&c] = int(graphs.size()) - 1;
  }
};

}  // namespace

namespace detail {

// Reads a file that may be hostile: every number is held against what it counts before it is used.
struct FunctionReader {
  const std::string& path;
  io::NamedTensors tensors;
  std::map<std::string, Tensor> by_name;
  std::vector<Variable> variables;
  std::vector<std::shared_ptr<Concrete>> graphs;

  [[noreturn]] void bad(const std::string& what) const {
    throw FileError(fmt::format("load_function: {}: {}. The file is damaged, or no function of tapir.", path, what));
  }
  const json& field(const json& j, const char* name, json::value_t type) const {
    auto it = j.is_object() ? j.find(name) : j.end();
    if (!j.is_object() || it == j.end()) bad(fmt::format("\"{}\" is missing", name));
    const bool number = type == json::value_t::number_integer && it->is_number_integer();
    if (!number && it->type() != type) bad(fmt::format("\"{}\" has the wrong type", name));
    return *it;
  }
  const json& items(const json& j, const char* name) const { return field(j, name, json::value_t::array); }
  std::string text(const json& j, const char* name) const {
    return field(j, name, json::value_t::string).get<std::string>();
  }
  std::int64_t integer(const json& j) const {
    if (!j.is_number_integer()) bad("a number is expected");
    return j.get<std::int64_t>();
  }
  std::int64_t count(const json& j, const char* name, std::int64_t limit) const {
    const std::int64_t v = integer(field(j, name, json::value_t::number_integer));
    if (v < 0 || v > limit) bad(fmt::format("\"{}\" is {}, out of range", name, v));
    return v;
  }
  int index(const json& j, std::size_t size, const char* what) const {
    const std::int64_t v = integer(j);
    if (v < 0 || v >= std::int64_t(size)) bad(fmt::format("{} {} does not exist", what, v));
    return int(v);
  }
  Shape shape(const json& j) const {
    if (!j.is_array() || j.size() > Shape::max_rank) bad("a shape is expected");
    Shape s;
    for (auto& d : j) s.push_back(integer(d));
    return s;
  }
  DType dtype(const json& j) const {
    if (j.is_string())
      for (int d = 0; d < dtype_count; ++d)
        if (j.get<std::string>() == name_of(DType(d))) return DType(d);
    bad("a dtype is expected");
  }
  Tensor tensor(const std::string& name) const {
    auto it = by_name.find(name);
    if (it == by_name.end()) bad(fmt::format("there is no tensor \"{}\"", name));
    return it->second;
  }

  struct AttrReader final : AttrVisitor {
    const FunctionReader& r;
    const json& j;
    AttrReader(const FunctionReader& reader, const json& attrs) : r(reader), j(attrs) {}
    const json& at(const char* name) const {
      auto it = j.find(name);
      if (it == j.end()) r.bad(fmt::format("attribute \"{}\" is missing", name));
      return *it;
    }
    bool has(const char* name) const override { return j.contains(name); }
    void operator()(const char* name, std::int64_t& v) override { v = r.integer(at(name)); }
    void operator()(const char* name, double& v) override {
      const json& x = at(name);
      if (x.is_number()) v = x.get<double>();
      else if (x == "nan") v = NAN;
      else if (x == "inf" || x == "-inf") v = x == "inf" ? INFINITY : -INFINITY;
      else r.bad(fmt::format("attribute \"{}\" is no number", name));
    }
    void operator()(const char* name, bool& v) override {
      if (!at(name).is_boolean()) r.bad(fmt::format("attribute \"{}\" is no truth value", name));
      v = at(name).get<bool>();
    }
    void operator()(const char* name, Shape& v) override { v = r.shape(at(name)); }
    void operator()(const char* name, DType& v) override { v = r.dtype(at(name)); }
  };

  Tensor constant(const json& j, const Spec& spec) const {
    if (!j.is_object()) bad("a constant is expected");
    if (j.contains("graph")) return graph::handle_of(graphs[std::size_t(index(j["graph"], graphs.size(), "graph"))]);
    Tensor t = tensor(text(j, "tensor"));
    if (j.value("weak", false)) {
      if (t.rank() != 0) bad("a C++ number is a scalar");
      t = t.dtype() == DType::boolean ? Tensor(t.item<bool>())
          : is_floating(t.dtype())    ? Tensor(t.item<double>())
                                      : Tensor(t.item<std::int64_t>());
    } else if (j.value("splat", false)) {
      if (t.rank() != 0) bad("a splat is a scalar");
      t = broadcast_to(t, spec.shape);
    }
    if (!(t.shape() == spec.shape) || t.dtype() != spec.dtype)
      bad("a constant does not have the dtype and shape that its graph says");
    return t;
  }

  std::shared_ptr<Concrete> concrete(const json& j) const {
    Graph g;
    const json &values = items(j, "values"), &nodes = items(j, "nodes");
    for (auto& v : values) {
      Spec spec{shape(items(v, "shape")), dtype(field(v, "dtype", json::value_t::string))};
      try {
        Tensor::only_spec(spec.shape, spec.dtype);  // refuses impossible sizes
        g.add(spec, v.contains("constant") ? constant(v["constant"], spec) : Tensor());
      } catch (const ShapeError& e) {
        bad(e.what());
      }
    }
    auto list = [&](const json& ids) {
      std::vector<int> out;
      for (auto& id : ids) out.push_back(index(id, values.size(), "value"));
      return out;
    };
    g.inputs = list(items(j, "inputs"));
    g.outputs = list(items(j, "outputs"));
    for (auto& n : nodes) {
      graph::Node node;
      const std::string name = text(n, "op");
      node.op = find_op(name);
      if (!node.op) bad(fmt::format("operation \"{}\" is not known to this version", name));
      node.in = list(items(n, "in"));
      node.out = list(items(n, "out"));
      if (node.op->attrs) {
        std::vector<std::byte> bytes(node.op->attrs->size + 16);
        node.op->attrs->construct(bytes.data());
        node.attrs = graph::OwnAttrs(Attrs(bytes.data(), node.op->attrs));
        AttrReader reader(*this, field(n, "attrs", json::value_t::object));
        node.attrs.visit(reader);
      }
      g.nodes.push_back(std::move(node));
    }
    const int unknown_sizes = int(count(j, "unknown", 4)),
              arguments = int(count(j, "arguments", std::int64_t(g.inputs.size()))),
              results = int(count(j, "results", std::int64_t(g.outputs.size())));
    std::vector<Variable> reads;
    std::vector<int> assigned;
    for (auto& v : items(j, "reads")) reads.push_back(variables[std::size_t(index(v, variables.size(), "variable"))]);
    for (auto& v : items(j, "assigns")) assigned.push_back(index(v, reads.size(), "variable"));
    if (g.inputs.size() != std::size_t(arguments) + reads.size() ||
        g.outputs.size() != std::size_t(results) + assigned.size())
      bad("a graph's inputs and outputs are not as many as it says");
    for (std::size_t i = 0; i < reads.size(); ++i) {
      const Spec& s = g.spec(g.inputs[std::size_t(arguments) + i]);
      if (!(s.shape == reads[i].shape()) || s.dtype != reads[i].dtype())
        bad(fmt::format("variable \"{}\" does not fit its graph", reads[i].name()));
    }
    for (std::size_t k = 0; k < assigned.size(); ++k) {
      const Spec& s = g.spec(g.outputs[std::size_t(results) + k]);
      const Variable& v = reads[std::size_t(assigned[k])];
      if (!(s.shape == v.shape()) || s.dtype != v.dtype())
        bad(fmt::format("variable \"{}\" does not fit its graph", v.name()));
    }
    try {
      graph::verify(g, "load");
    } catch (const Error& e) {
      std::string why = e.what();
      bad(why.substr(0, why.find('\n')));
    }
    if (!graph::homeless_sizes(g, graph::Symbols(unknown_sizes)).empty())
      bad("a graph depends on a size that none of its inputs has");
    return std::make_shared<Concrete>(std::move(g), graph::Symbols(unknown_sizes), arguments, results, reads, assigned);
  }

  NamedValues<LoadedFunction> read() {
    tensors = io::load_safetensors(path);
    std::string source;
    for (auto& [key, value] : io::load_safetensors_metadata(path))
      if (key == "tapir") source = value;
    if (source.empty()) bad("there is no graph in it");
    for (auto& [name, t] : tensors) by_name.emplace(name, t);
    const json j = json::parse(source, nullptr, false);
    if (j.is_discarded()) bad("its graph is no JSON");
    const std::int64_t version = count(j, "version", 1 << 30);
    if (version > kVersion)
      throw FileError(fmt::format("load_function: {}: it has version {} of the format, this tapir reads up to {}.",
                                  path, version, kVersion));
    for (auto& v : items(j, "variables"))
      variables.emplace_back(tensor(text(v, "tensor")), text(v, "name"),
                             VariableOptions{.trainable = field(v, "trainable", json::value_t::boolean).get<bool>()});
    for (auto& g : items(j, "graphs")) graphs.push_back(concrete(g));
    NamedValues<LoadedFunction> out;
    for (auto& [name, traces] : field(j, "functions", json::value_t::object).items()) {
      LoadedFunction f;
      f.path_ = path;
      if (!traces.is_array() || traces.empty()) bad(fmt::format("function \"{}\" has no graphs", name));
      for (auto& t : traces) {
        f.traces_.push_back(graphs[std::size_t(index(t, graphs.size(), "graph"))]);
        f.traces_.back()->set_name(name);
      }
      out.at_or_new(name) = std::move(f);
    }
    return out;
  }
};

void FunctionCore::save(const std::string& path, const Where& where) const {
  save_traces(path, {{"function", concretes()}}, where);
}

void save_traces(const std::string& path, const NamedTraces& functions, const Where& where) {
  CallSite site(where);
  Writer w;
  json names = json::object();
  for (auto& [name, concretes] : functions) {
    json traces = json::array();
    for (auto& c : concretes) traces.push_back(w.concrete(*c));
    if (traces.empty())
      throw UsageError(fmt::format("save: function \"{}\" has no trace yet. Call it once, then save it.", name));
    if (names.contains(name)) throw UsageError(fmt::format("save: two functions are called \"{}\".", name));
    names[name] = traces;
  }
  json j{{"version", kVersion}, {"functions", names}, {"variables", w.variables}, {"graphs", w.graphs}};
  io::save_safetensors(path, w.tensors, {{"tapir", j.dump()}});
}

}  // namespace detail

void save_functions(const std::string& path, const std::vector<NamedFunction>& functions, Where where) {
  detail::NamedTraces all;
  for (auto& f : functions) all.emplace_back(f.name, f.traces);
  detail::save_traces(path, all, where);
}

NamedValues<LoadedFunction> load_functions(const std::string& path, Where where) {
  CallSite site(where);
  return detail::FunctionReader{path, {}, {}, {}, {}}.read();
}

LoadedFunction load_function(const std::string& path, const std::string& name, Where where) {
  CallSite site(where);
  auto all = load_functions(path, where);
  if (name.empty() && all.size() == 1) return all.begin()->second;
  if (all.contains(name)) return all[name];
  std::string names;
  for (auto& f : all) names += (names.empty() ? "" : ", ") + f.first;
  throw UsageError(fmt::format("load_function: {}: {}. It has {}.", path,
                               name.empty() ? "say which function" : fmt::format("there is no function \"{}\"", name),
                               names));
}

std::vector<std::vector<TensorSpec>> LoadedFunction::signatures() const {
  std::vector<std::vector<TensorSpec>> out;
  for (auto& c : traces_) out.push_back(c->signature());
  return out;
}

std::vector<Variable> LoadedFunction::variables() const {
  std::vector<Variable> out;
  for (auto& c : traces_)
    for (auto& v : c->variables())
      if (std::find(out.begin(), out.end(), v) == out.end()) out.push_back(v);
  return out;
}

std::vector<Tensor> LoadedFunction::operator()(const std::vector<Tensor>& arguments, Where where) const {
  CallSite site(where);
  if (traces_.empty()) throw UsageError("LoadedFunction: it is empty. Get one from load_function().");
  for (auto& c : traces_) {
    if (c->arguments() != int(arguments.size())) continue;
    bool fits = true;
    auto specs = c->signature();
    for (std::size_t i = 0; i < specs.size() && fits; ++i) fits = detail::fits(specs[i], arguments[i]);
    if (fits && c->takes(arguments)) return c->call(arguments);
  }
  std::string got, has;
  for (auto& t : arguments)
    got +=
        fmt::format("{}{}", got.empty() ? "" : ", ", t.defined() ? name_of(t.dtype()) + t.shape().str() : "undefined");
  for (auto& s : signatures()) has += fmt::format("{}({})", has.empty() ? "" : " or ", detail::text_of(s));
  throw UsageError(fmt::format("{}: it takes {}, got ({}).", path_, has, got));
}

}  // namespace tapir
