// From an ONNX file's graph to numbered steps, and running them.
#include <tapir/formats/onnx_program.h>

#include <fmt/format.h>

#include <set>

namespace tapir::onnx::detail {

namespace {

// Values that are shapes, bounds and the like stay constants; so do statistics, and single numbers, which exporters
// make of literals.
bool may_be_weight(const std::string& name, const Graph& g, int opset) {
  bool read = false;
  for (auto& n : g.nodes) {
    const Row* row = find_row(n.op, opset);
    for (std::size_t i = 0; i < n.in.size(); ++i) {
      if (n.in[i] != name) continue;
      read = true;
      if (row && i >= row->values_at) return false;
    }
  }
  return read;
}

void add_unknown(const Graph& g, int opset, std::set<std::string>& unknown) {
  for (auto& n : g.nodes) {
    if (!n.domain.empty()) unknown.insert(n.domain + "." + n.op);
    else if (!find_row(n.op, opset)) unknown.insert(n.op);
    for (auto& a : n.attributes)
      if (a.graph) add_unknown(*a.graph, opset, unknown);
  }
}

class Builder {
 public:
  Builder(const LoadOptions& options, const FileContext& context, int opset, std::vector<Weight>& weights,
          Builder* outer = nullptr)
      : options_(options), weights_(weights), outer_(outer) {
    p_.context = context;
    p_.opset = opset;
  }

  std::shared_ptr<const Program> build(const Graph& g) {
    for (auto& [name, value] : g.constants) add_constant(name, value, g);
    for (auto& info : g.inputs) {
      if (places_.contains(info.name)) continue;  // an input with a value: old files list weights so
      p_.inputs.push_back(info);
      p_.input_places.push_back(define(info.name));
    }
    for (auto& n : g.nodes) add_step(n);
    for (auto& info : g.outputs) {
      p_.outputs.push_back(info);
      p_.output_places.push_back(place_of(info.name, "the graph's output"));
    }
    p_.places = next_;
    find_dead();
    return std::make_shared<const Program>(std::move(p_));
  }
  const std::vector<std::string>& captured() const { return captured_; }

 private:
  void add_constant(const std::string& name, const Tensor& value, const Graph& g) {
    const int place = define(name);
    if (!options_.trainable || !is_floating(value.dtype()) || value.rank() == 0 || !may_be_weight(name, g, p_.opset)) {
      p_.constants.emplace_back(place, value);
      return;
    }
    Variable v(value, name);
    weights_.push_back({name, v});
    p_.variables.emplace_back(place, v);
  }

  int define(const std::string& name) {
    if (name.empty() || !places_.emplace(name, next_).second)
      p_.context.fail("two values are called \"" + name + "\", or one has no name.");
    return next_++;
  }

  bool knows(const std::string& name) const { return places_.contains(name) || (outer_ && outer_->knows(name)); }

  // A name of this graph or of those around it.
  int place_of(const std::string& name, const std::string& who) {
    if (auto it = places_.find(name); it != places_.end()) return it->second;
    if (!outer_ || !outer_->knows(name))
      p_.context.fail(who + " reads \"" + name + "\", which no node before it makes.");
    captured_.push_back(name);
    p_.captured_places.push_back(define(name));
    return p_.captured_places.back();
  }

  void add_step(const Node& n) {
    Step s;
    s.row = find_row(n.op, p_.opset);
    const std::string who = n.op + " \"" + n.name + "\"";
    for (auto& name : n.in) s.in.push_back(name.empty() ? -1 : place_of(name, who));
    for (auto& a : n.attributes) {
      if (!a.graph) continue;
      Builder body(options_, p_.context, p_.opset, weights_, this);
      s.bodies.emplace_back(a.name, body.build(*a.graph));
      std::vector<int> places;
      for (auto& name : body.captured()) places.push_back(place_of(name, who));
      s.captured.push_back(places);
    }
    for (auto& name : n.out) s.out.push_back(name.empty() ? -1 : define(name));
    s.node = n;
    for (auto& a : s.node.attributes) a.graph = nullptr;  // the body has it
    p_.steps.push_back(std::move(s));
  }

  // The last step that reads a place frees it.
  void find_dead() {
    std::set<int> needed(p_.output_places.begin(), p_.output_places.end());
    for (auto s = p_.steps.rbegin(); s != p_.steps.rend(); ++s) {
      std::vector<int> touched = s->in;
      for (auto& c : s->captured) touched.insert(touched.end(), c.begin(), c.end());
      touched.insert(touched.end(), s->out.begin(), s->out.end());
      for (int place : touched)
        if (place >= 0 && needed.insert(place).second) s->dead.push_back(place);
    }
  }

  const LoadOptions& options_;
  std::vector<Weight>& weights_;
  Builder* outer_;
  Program p_;
  std::map<std::string, int> places_;
  std::vector<std::string> captured_;  // names, as captured_places
  int next_ = 0;
};

std::vector<Tensor> at(const std::vector<int>& places, const std::vector<Tensor>& values) {
  std::vector<Tensor> out;
  for (int p : places) out.push_back(p < 0 ? Tensor() : values[std::size_t(p)]);
  return out;
}

}  // namespace

std::shared_ptr<const Program> program_of(File file, const LoadOptions& options, const FileContext& context) {
  const std::int64_t opset = file.opsets.contains("") ? file.opsets[""] : 1;
  constexpr std::int64_t latest = 21;
  if (opset < 1 || opset > latest)
    context.fail(fmt::format("asks for opset {}; 1 to {} are supported.", opset, latest));
  std::set<std::string> unknown;
  add_unknown(file.graph, int(opset), unknown);
  if (!unknown.empty())
    context.fail(fmt::format("has operators that are not supported: {} (opset {}).", fmt::join(unknown, ", "), opset));
  std::vector<Weight> weights;
  auto program = Builder(options, context, int(opset), weights).build(file.graph);
  if (weights.empty()) return program;
  auto with_weights = std::make_shared<Program>(*program);
  with_weights->weights = std::move(weights);
  return with_weights;
}

std::vector<Tensor> Program::run(std::span<const Tensor> given, std::span<const Tensor> captured) const {
  std::vector<Tensor> values(static_cast<std::size_t>(places));
  auto put = [&](int place, const Tensor& t) {
    if (place >= 0) values[std::size_t(place)] = t;
  };
  for (std::size_t i = 0; i < input_places.size(); ++i) put(input_places[i], given[i]);
  for (std::size_t i = 0; i < captured_places.size(); ++i) put(captured_places[i], captured[i]);
  for (auto& [place, t] : constants) put(place, t);
  for (auto& [place, v] : variables) put(place, v.value());
  for (auto& s : steps) {
    const std::vector<Tensor> in = at(s.in, values);
    std::vector<std::vector<Tensor>> outer;
    for (auto& c : s.captured) outer.push_back(at(c, values));
    const Call call(s.node, in, opset, context, s.bodies, outer);
    const Results out = s.row->run(call);
    for (std::size_t i = 0; i < s.out.size(); ++i) {
      if (s.out[i] >= 0 && (i >= out.size() || !out[i].defined()))
        call.fail(fmt::format("output {} is not supported", i));
      if (i < out.size()) put(s.out[i], out[i]);
    }
    for (int place : s.dead) values[std::size_t(place)] = Tensor();
  }
  return at(output_places, values);
}

void Call::fail(const std::string& rule) const {
  throw UsageError(fmt::format("onnx: {}: {} \"{}\": {}.", context_.path, node_.op, node_.name, rule));
}

Integers Call::values(std::size_t i) const {
  const Tensor& t = (*this)[i];
  if (!t.has_data())
    fail(
        fmt::format("input {} must be known when the function is traced: it decides about shapes. Give it as a "
                    "constant, or call the model without function()",
                    i));
  const Tensor wide = t.astype(DType::i64);
  return wide.to_vector<std::int64_t>();
}

double Call::value(std::size_t i) const {
  const Tensor& t = (*this)[i];
  if (!t.has_data()) fail(fmt::format("input {} must be known when the function is traced", i));
  return t.item<double>();
}

std::vector<Tensor> Call::body(const char* attribute, std::span<const Tensor> inputs) const {
  for (std::size_t i = 0; i < bodies_.size(); ++i) {
    if (bodies_[i].first != attribute) continue;
    const Program& p = *bodies_[i].second;
    if (inputs.size() != p.inputs.size())
      fail(fmt::format("\"{}\" takes {} values, {} are given", attribute, p.inputs.size(), inputs.size()));
    return p.run(inputs, captured_[i]);
  }
  fail(fmt::format("graph \"{}\" is missing", attribute));
}

std::int64_t axis_of(const Call& c, std::int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) c.fail(fmt::format("axis {} of {} dimensions", axis, rank));
  return axis < 0 ? axis + rank : axis;
}

}  // namespace tapir::onnx::detail
