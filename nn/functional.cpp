#include <tapir/nn/functional.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/merge_layers.h>
#include <tapir/nn/names.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace tapir::nn {

using detail::SymbolNode;

namespace {

const SymbolNode& node_of(const char* what, const Symbol& s) {
  if (!s.defined()) throw UsageError(fmt::format("{}: a symbol stands for nothing. Start from Input(shape).", what));
  return *s.node();
}

TensorSpec spec_of(const Symbol& s) { return s.node()->outputs[std::size_t(s.index())]; }

}  // namespace

Shape Symbol::shape() const {
  node_of("shape", *this);
  return spec_of(*this).shape;
}
DType Symbol::dtype() const {
  node_of("dtype", *this);
  return spec_of(*this).dtype;
}

// ---- layers called on symbols

// What comes out is found with one example of zeros, which makes the weights too.
std::vector<Symbol> Layer::symbols(std::shared_ptr<Layer> kept, const std::vector<Symbol>& xs) {
  type(), name();
  if (!kept && !clone())
    throw UsageError(fmt::format(
        "{}: a {} cannot be called on symbols: nobody said how it is copied. Derive it from nn::LayerOf<{}>, or write "
        "nn::AnyLayer(layer)(x).",
        name(), type(), type()));
  std::vector<Tensor> zeros_in;
  for (auto& x : xs) {
    const auto& node = node_of(name().c_str(), x);
    const TensorSpec spec = node.outputs[std::size_t(x.index())];
    zeros_in.push_back(zeros(Shape({1}).concat(spec.shape), spec.dtype));
  }
  auto node = std::make_shared<SymbolNode>();
  {
    detail::Unrecorded unrecorded;
    for (auto& y : run_list(zeros_in, {.training = false})) {
      if (y.rank() < 1) throw ShapeError(fmt::format("{}: gave a scalar, which has no batch dimension.", name()));
      node->outputs.push_back({y.shape().last(y.rank() - 1), y.dtype()});
    }
  }
  node->layer = kept ? std::move(kept) : clone();  // now that it has its weights, the copy has them too
  node->inputs = xs;
  std::vector<Symbol> out;
  for (std::size_t i = 0; i < node->outputs.size(); ++i) out.emplace_back(node, int(i));
  return out;
}

Symbol Layer::operator()(const Symbol& x, Where where) {
  CallSite site(where);
  return symbols(nullptr, {x})[0];
}
Symbol Layer::operator()(const std::vector<Symbol>& xs, Where where) {
  CallSite site(where);
  return symbols(nullptr, xs)[0];
}
std::vector<Symbol> Layer::outputs(const std::vector<Symbol>& xs, Where where) {
  CallSite site(where);
  return symbols(nullptr, xs);
}
Symbol AnyLayer::operator()(const Symbols& xs, Where where) const {
  CallSite site(where);
  return layer_->symbols(layer_, xs)[0];
}
std::vector<Symbol> AnyLayer::outputs(const Symbols& xs, Where where) const {
  CallSite site(where);
  return layer_->symbols(layer_, xs);
}

Symbol Input(const Shape& shape, const InputOptions& options, Where where) {
  CallSite site(where);
  for (auto d : shape)
    if (d < 0) throw ShapeError(fmt::format("Input: sizes must be known, got {}.", shape.str()));
  auto node = std::make_shared<SymbolNode>();
  node->outputs = {{shape, options.dtype}};
  node->name = options.name.empty() ? detail::unique_name("input_layer") : options.name;
  return {node, 0};
}

// ---- arithmetic

namespace {

// A layer of the type that Keras gives the operation.
template <class F>
Symbol operation(const char* type, const std::vector<Symbol>& xs, F f) {
  Lambda layer([f](const std::vector<Tensor>& ts) { return f(ts); });
  layer.state()->type = type;
  return layer(xs);
}

// b may be a constant.
template <class F>
Symbol arithmetic(const char* type, const Symbol& a, const SymbolOperand& b, F f) {
  if (b.symbol().defined())
    return operation(type, {a, b.symbol()}, [f](const std::vector<Tensor>& xs) { return f(xs[0], xs[1]); });
  return operation(type, {a}, [f, t = b.tensor()](const std::vector<Tensor>& xs) { return f(xs[0], t); });
}

}  // namespace

Symbol operator+(const Symbol& a, const SymbolOperand& b) {
  return arithmetic("Add", a, b, [](const Tensor& x, const Tensor& y) { return x + y; });
}
Symbol operator-(const Symbol& a, const SymbolOperand& b) {
  return arithmetic("Subtract", a, b, [](const Tensor& x, const Tensor& y) { return x - y; });
}
Symbol operator*(const Symbol& a, const SymbolOperand& b) {
  return arithmetic("Multiply", a, b, [](const Tensor& x, const Tensor& y) { return x * y; });
}
Symbol operator/(const Symbol& a, const SymbolOperand& b) {
  return arithmetic("TrueDivide", a, b, [](const Tensor& x, const Tensor& y) { return x / y; });
}
Symbol operator-(const Symbol& a) {
  return operation("Negative", {a}, [](const std::vector<Tensor>& xs) { return -xs[0]; });
}

// ---- the model

namespace {

// Nodes that `s` needs, each after those that it reads.
void visit(const std::shared_ptr<SymbolNode>& node, std::set<const SymbolNode*>& seen,
           std::vector<std::shared_ptr<SymbolNode>>& order) {
  if (!seen.insert(node.get()).second) return;
  for (auto& x : node->inputs) visit(x.node(), seen, order);
  order.push_back(node);
}

}  // namespace

Functional::~Functional() = default;

Functional::Functional(const Symbols& inputs, const Symbols& outputs, const std::string& name, Where where)
    : LayerOf(name), inputs_(inputs), outputs_(outputs) {
  CallSite site(where);
  casts_nothing();
  if (inputs.empty() || outputs.empty()) throw UsageError("Functional: needs inputs and outputs, got none.");
  // An input may be any symbol: what it was made of is then none of this model's business.
  std::set<const SymbolNode*> seen;
  for (auto& s : inputs_) {
    node_of("Functional", s);
    if (!seen.insert(s.node().get()).second) throw UsageError("Functional: an input is listed twice.");
  }
  for (auto& s : outputs_) {
    node_of("Functional", s);
    visit(s.node(), seen, order_);
  }
  for (auto& node : order_)
    if (!node->layer)
      throw UsageError(fmt::format("Functional: the outputs need the Input '{}', which is not listed.", node->name));
  State& s = *state();
  type(), this->name();
  for (auto& node : order_) s.attach(node->layer->state());
  s.built = true;
  auto batch_of = [](const Symbol& x) { return TensorSpec(Shape({1}).concat(x.shape()), x.dtype()); };
  s.input = batch_of(inputs_[0]);
  for (std::size_t i = 1; i < inputs_.size(); ++i) s.other_inputs.push_back(batch_of(inputs_[i]));
  s.output = batch_of(outputs_[0]).shape;
}

std::vector<AnyLayer> Functional::layers() const {
  std::vector<AnyLayer> out;
  std::set<const State*> seen;
  for (auto& node : order_)
    if (seen.insert(node->layer->state().get()).second) out.emplace_back(node->layer);
  return out;
}

std::vector<std::string> Functional::output_names() const {
  std::vector<std::string> names;
  for (auto& s : outputs_) names.push_back(s.node()->layer ? s.node()->layer->name() : s.node()->name);
  return names;
}

namespace {

std::string connection(const Symbol& s, const std::map<const SymbolNode*, int>& call_of) {
  const SymbolNode& node = *s.node();
  const std::string& name = node.layer ? node.layer->name() : node.name;
  return fmt::format("{}[{}][{}]", name, call_of.at(&node), s.index());
}

}  // namespace

// As Keras lists them: by how far they are from the outputs, then as they came; who reads whom is said if there is more
// than one chain.
std::vector<detail::SummaryRow> Functional::summary_rows() const {
  std::vector<std::shared_ptr<SymbolNode>> nodes;
  for (auto& s : inputs_) nodes.push_back(s.node());
  nodes.insert(nodes.end(), order_.begin(), order_.end());
  std::map<const SymbolNode*, int> depth, call_of;
  for (auto node = order_.rbegin(); node != order_.rend(); ++node)
    for (auto& x : (*node)->inputs) depth[x.node().get()] = std::max(depth[x.node().get()], depth[node->get()] + 1);
  std::map<const State*, std::vector<const SymbolNode*>> calls;
  std::map<const SymbolNode*, int> of_row;  // by the first node of a layer: its greatest depth
  std::map<int, int> nodes_at;
  bool chain = inputs_.size() == 1;
  for (auto& node : nodes) {
    const bool input = !node->layer || node->inputs.empty();
    chain &= ++nodes_at[depth[node.get()]] == 1 && node->inputs.size() <= 1;
    if (input) continue;
    auto& all = calls[node->layer->state().get()];
    call_of[node.get()] = int(all.size());
    all.push_back(node.get());
    chain &= all.size() == 1;
    of_row[all[0]] = std::max(of_row[all[0]], depth[node.get()]);
  }
  for (auto& s : inputs_) of_row[s.node().get()] = depth[s.node().get()], call_of[s.node().get()] = 0;
  std::vector<const SymbolNode*> rows;
  for (auto& node : nodes)
    if (of_row.contains(node.get())) rows.push_back(node.get());
  std::stable_sort(rows.begin(), rows.end(), [&](auto* a, auto* b) { return of_row.at(a) > of_row.at(b); });
  std::vector<detail::SummaryRow> out;
  for (auto* node : rows) {
    const Shape shape = Shape({1}).concat(node->outputs[0].shape);
    const bool input = std::any_of(inputs_.begin(), inputs_.end(), [&](auto& s) { return s.node().get() == node; });
    if (input) {
      out.push_back({nullptr, node->layer ? node->layer->name() : node->name, "InputLayer", shape, chain ? "" : "-"});
      continue;
    }
    std::string from;
    for (auto* call : calls.at(node->layer->state().get()))
      for (auto& x : call->inputs) from += (from.empty() ? "" : ", ") + connection(x, call_of);
    out.push_back({node->layer->state(), node->layer->name(), node->layer->type(), shape, chain ? "" : from});
  }
  return out;
}

Tensor Functional::call(const Tensor& x, bool training) { return call_list({x}, training)[0]; }

std::vector<Tensor> Functional::call_list(const std::vector<Tensor>& xs, bool) {
  if (xs.size() != inputs_.size())
    throw UsageError(fmt::format("{}: takes {} inputs, got {}.", name(), inputs_.size(), xs.size()));
  std::map<const SymbolNode*, std::vector<Tensor>> values;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const Symbol& s = inputs_[i];
    const Shape wanted = s.shape();
    if (xs[i].rank() != wanted.rank() + 1 || !(xs[i].shape().last(wanted.rank()) == wanted))
      throw ShapeError(fmt::format("{}: input {} has shape {}, expected {} after the batch.", name(), i,
                                   xs[i].shape().str(), wanted.str()));
    auto& slot = values[s.node().get()];
    slot.resize(s.node()->outputs.size());
    slot[std::size_t(s.index())] = xs[i];
  }
  auto value = [&](const Symbol& s) -> const Tensor& { return values.at(s.node().get())[std::size_t(s.index())]; };
  for (auto& node : order_) {
    std::vector<Tensor> in;
    for (auto& x : node->inputs) in.push_back(value(x));
    auto& slot = values[node.get()];
    if (in.size() == 1 && node->outputs.size() == 1) slot = {(*node->layer)(in[0])};
    else slot = node->layer->outputs(in);
  }
  std::vector<Tensor> ys;
  for (auto& s : outputs_) ys.push_back(value(s));
  return ys;
}

}  // namespace tapir::nn

namespace tapir {
nn::Symbol concat(const std::vector<nn::Symbol>& xs, AxisOptions options, Where where) {
  CallSite site(where);
  return nn::Concatenate({.axis = int(options.axis)})(xs);
}
}  // namespace tapir
