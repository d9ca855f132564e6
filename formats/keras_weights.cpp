#include <tapir/formats/keras.h>
#include <tapir/formats/keras_weights.h>
#include <tapir/io/output_file.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/names.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace tapir::detail {

using nn::Layer;
using nn::detail::SymbolNode;

std::string KerasCounter::next(const std::string& type) {
  const std::string name = nn::detail::snake_case(type);
  const int n = used_[name]++;
  return n == 0 ? name : fmt::format("{}_{}", name, n);
}

namespace {

// Keras numbers the variables of a layer in the order in which it makes them, the trained ones first.
constexpr const char* kOrder[] = {
    "embeddings", "kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel", "alpha", "gamma", "beta",
    "scale",      "bias",   "moving_mean",      "moving_variance"};

int rank_of(const Variable& v) {
  const std::string leaf = v.name().substr(v.name().rfind('/') + 1);
  for (int i = 0; i < int(std::size(kOrder)); ++i)
    if (leaf == kOrder[i]) return i;
  throw UsageError(fmt::format("keras: where Keras keeps the weight '{}' is not known.", v.name()));
}

void add_own(KerasWeights& out, const Layer::State& layer, const std::string& path) {
  std::vector<Variable> own = layer.own;
  std::stable_sort(own.begin(), own.end(), [](auto& a, auto& b) { return rank_of(a) < rank_of(b); });
  out.groups.push_back({path + "/vars", layer.name});
  for (std::size_t i = 0; i < own.size(); ++i) out.variables.push_back({fmt::format("{}/vars/{}", path, i), own[i]});
}

// What the layers within a layer are called as its attributes.
std::vector<std::string> parts_of(const Layer::State& layer) {
  const std::string& type = layer.type;
  if (type == "LSTM" || type == "GRU" || type == "SimpleRNN") return {"cell"};
  if (type == "RNN" && layer.children.size() == 1 && layer.children[0]->children.empty()) return {"cell"};
  if (type == "Bidirectional") return {"forward_layer", "backward_layer"};
  if (type == "TimeDistributed") return {"layer"};
  if (type == "MultiHeadAttention") return {"query_dense", "key_dense", "value_dense", "output_dense"};
  return {};
}

bool has_weights(const Layer::State& layer) {
  return !layer.own.empty() ||
         std::any_of(layer.children.begin(), layer.children.end(), [](auto& c) { return has_weights(*c); });
}

}  // namespace

void add_keras_layer(KerasWeights& out, const Layer::State& layer, const std::string& path) {
  const std::vector<std::string> parts = parts_of(layer);
  if (parts.empty() && !has_weights(layer)) return;
  if (parts.size() != layer.children.size())
    throw UsageError(
        fmt::format("keras: where Keras keeps the weights of '{}' (a {}) is not known.", layer.name, layer.type));
  // A wrapper reads the variables of the layers within too; those stand there.
  Layer::State alone = layer;
  std::erase_if(alone.own, [&](auto& v) {
    return std::any_of(layer.children.begin(), layer.children.end(), [&](auto& c) { return c->owns(v); });
  });
  add_own(out, alone, path);
  for (std::size_t i = 0; i < parts.size(); ++i) add_keras_layer(out, *layer.children[i], path + "/" + parts[i]);
}

// As Keras's map_graph_network: layers by their greatest distance from the outputs, then as first met from the outputs.
std::vector<std::shared_ptr<Layer>> keras_order(const nn::Functional& model) {
  using Key = const void*;
  auto key_of = [](const SymbolNode& n) { return n.layer ? Key(n.layer->state().get()) : Key(&n); };
  struct Met {
    Key key;
    std::shared_ptr<Layer> layer;
    int depth = 0;
  };
  std::vector<Met> met;
  std::vector<const SymbolNode*> order;  // each after those that it reads
  std::map<const SymbolNode*, int> depths;
  std::set<const SymbolNode*> seen, inputs;
  for (auto& s : model.inputs()) inputs.insert(s.node().get());
  auto find = [&](Key key) { return std::find_if(met.begin(), met.end(), [&](auto& m) { return m.key == key; }); };
  auto visit = [&](auto& self, const SymbolNode& n) -> void {
    if (!seen.insert(&n).second) return;
    if (find(key_of(n)) == met.end()) met.push_back({key_of(n), inputs.contains(&n) ? nullptr : n.layer, 0});
    if (!inputs.contains(&n))
      for (auto& x : n.inputs) self(self, *x.node());
    order.push_back(&n);
  };
  for (auto& s : model.results()) visit(visit, *s.node());
  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    Met& m = *find(key_of(**it));
    m.depth = std::max(depths[*it], m.depth);
    depths[*it] = m.depth;
    if (!inputs.contains(*it))
      for (auto& x : (*it)->inputs) depths[x.node().get()] = std::max(depths[x.node().get()], m.depth + 1);
  }
  std::stable_sort(met.begin(), met.end(), [](auto& a, auto& b) { return a.depth > b.depth; });
  std::vector<std::shared_ptr<Layer>> layers;
  for (auto& m : met) layers.push_back(m.layer);
  return layers;
}

void add_keras_model(KerasWeights& out, const Layer& model, const std::string& prefix) {
  KerasCounter counter;
  auto add = [&](const Layer& layer) {
    const bool within = dynamic_cast<const nn::Sequential*>(&layer) || dynamic_cast<const nn::Functional*>(&layer);
    const std::string path = prefix + "layers/" + counter.next(layer.type());
    if (within) add_keras_model(out, layer, path + "/");
    else add_keras_layer(out, *layer.state(), path);
  };
  if (!model.built())
    throw UsageError(fmt::format("keras: '{}' has no weights yet. Call model.build(input_shape) first.", model.name()));
  if (auto* list = dynamic_cast<const nn::Sequential*>(&model)) {
    for (auto& layer : list->layers()) add(*layer);
    return;
  }
  auto* graph = dynamic_cast<const nn::Functional*>(&model);
  if (!graph)
    throw UsageError(fmt::format("keras: '{}' is a {}; only Sequential and Functional have a form in Keras.",
                                 model.name(), model.type()));
  for (auto& layer : keras_order(*graph))
    if (layer) add(*layer);
}

void assign_keras(const FileContext& context, const KerasWeights& weights, const io::NamedTensors& file) {
  std::map<std::string, const Tensor*> by_path;
  for (auto& [path, x] : file)
    if (path.starts_with("layers/") && path.find("/seed_generator/") == std::string::npos) by_path[path] = &x;
  std::vector<Tensor> values;
  for (auto& [path, variable] : weights.variables) {
    const auto it = by_path.find(path);
    if (it == by_path.end())
      context.fail(fmt::format("there is no '{}' in the file, for '{}'.", path, variable.name()));
    const Tensor& x = *it->second;
    if (!(x.shape() == variable.shape()) || !is_floating(x.dtype()))
      context.fail(fmt::format("'{}' is {} {} in the file; '{}' is {} {} here.", path, name_of(x.dtype()),
                               x.shape().str(), variable.name(), name_of(variable.dtype()), variable.shape().str()));
    values.push_back(x.astype(variable.dtype()));
    by_path.erase(it);
  }
  if (!by_path.empty())
    context.fail(fmt::format("'{}' is in the file alone; the model has no such weight.", by_path.begin()->first));
  for (std::size_t i = 0; i < values.size(); ++i) Variable(weights.variables[i].variable).assign(values[i]);
}

std::string make_keras_weights(const FileContext& context, const KerasWeights& weights) {
  io::NamedTensors tensors;
  std::vector<Hdf5Text> texts;
  for (auto& [name, variable] : weights.variables) tensors.emplace_back(name, variable.value());
  for (auto& group : weights.groups) texts.push_back({group.path, "name", group.name});
  return make_hdf5(context, tensors, texts);
}

}  // namespace tapir::detail

namespace tapir::formats {

void load_keras_weights(const std::string& path, const nn::Model& model, Where where) {
  CallSite site(where);
  const detail::FileContext context{"load_keras_weights", path};
  detail::KerasWeights weights;
  detail::add_keras_model(weights, model, "");
  const detail::InputFile file(context);
  detail::FileSource in(file);
  detail::assign_keras(context, weights, detail::read_hdf5(context, detail::read_all(in, "it")));
}

void save_keras_weights(const std::string& path, const nn::Model& model, Where where) {
  CallSite site(where);
  const detail::FileContext context{"save_keras_weights", path};
  detail::KerasWeights weights;
  detail::add_keras_model(weights, model, "");
  detail::OutputFile out(context);
  out.write(detail::make_keras_weights(context, weights));
  out.commit();
}

}  // namespace tapir::formats
