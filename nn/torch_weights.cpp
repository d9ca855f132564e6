#include <tapir/io/npy.h>
#include <tapir/io/safetensors.h>
#include <tapir/nn/flattened_images.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/torch_weights.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace tapir::nn {
namespace {

using Parameters = std::map<std::string, Tensor>;  // of a module, by their names in it
using State = Layer::State;
constexpr const char* kOp = "load_torch_weights";

// A weight of ours, and how the parameters of a module make it.
struct Piece {
  Variable variable;
  std::function<Tensor(const Parameters&)> value;
};

// What PyTorch has as one module: a layer, rarely a half of one or two.
struct Part {
  std::string path, type;
  std::map<std::string, Shape> wanted;
  std::vector<Piece> pieces;
};

struct Module {
  std::string name;
  Parameters parameters;
};

// ---- other orders

// `axis` counts through an image [C, H, W] there, [H, W, C] here.
Tensor channels_last(const Tensor& t, int axis, const Shape& image) {
  const Shape before = t.shape().first(axis), after = t.shape().last(t.rank() - axis - 1);
  const int places = image.rank() - 1;
  Axes order;
  for (int d = 0; d < axis; ++d) order.push_back(d);
  for (int d = 1; d <= places; ++d) order.push_back(axis + d);
  order.push_back(axis);
  for (int d = 0; d < after.rank(); ++d) order.push_back(axis + places + 1 + d);
  const Shape split = before.concat({image.back()}).concat(image.first(places)).concat(after);
  return reshape(permute_dims(reshape(t, split), order), t.shape());
}

// [a, b, H, W] -> [H, W, b, a] or, unless `turned`, [H, W, a, b].
Tensor spatial_first(const Tensor& t, bool turned) {
  Axes order;
  for (int d = 2; d < t.rank(); ++d) order.push_back(d);
  order.push_back(turned ? 1 : 0);
  order.push_back(turned ? 0 : 1);
  return permute_dims(t, order);
}

Tensor transposed(const Tensor& t) { return permute_dims(t, {1, 0}); }

// PyTorch's gates of a GRU are reset, update, candidate.
Tensor update_first(const Tensor& t) {
  const std::vector<Tensor> gates = split(t, 3);
  return concat({gates[1], gates[0], gates[2]});
}

// ---- what a model wants

std::string leaf(const Variable& v) { return v.name().substr(v.name().rfind('/') + 1); }

class Parts {
 public:
  explicit Parts(Layer& model) {
    detail::visit_layers(*model.state(), [&](const State& s, const std::string& path) {
      if (!done_.contains(&s)) add(s, path);
    });
    const bool dense = std::any_of(all_.begin(), all_.end(), [](auto& p) { return p.type == "Dense"; });
    if (dense) reorder(detail::flattened_images(kOp, model));
  }
  std::vector<Part> take() { return std::move(all_); }

 private:
  using Weights = std::map<std::string, Variable>;

  // Those that no layer within has.
  static Weights own(const State& s) {
    Weights out;
    for (auto& v : s.own)
      if (std::none_of(s.children.begin(), s.children.end(), [&](auto& c) { return c->owns(v); })) out[leaf(v)] = v;
    return out;
  }

  void piece(const Variable& v, const std::string& name, const Shape& shape, std::function<Tensor(const Tensor&)> f) {
    all_.back().wanted[name] = shape;
    all_.back().pieces.push_back({v, [name, f](const Parameters& p) { return f(p.at(name)); }});
  }
  void as_is(const Weights& w, const char* ours, const std::string& name) {
    if (const auto it = w.find(ours); it != w.end())
      piece(it->second, name, it->second.shape(), [](const Tensor& t) { return t; });
  }

  void add(const State& s, const std::string& path) {
    const std::string& type = s.type;
    if (type == "Bidirectional" && s.children.size() == 2 && one_cell(*s.children[0]) && one_cell(*s.children[1])) {
      all_.push_back({path, type, {}, {}});
      cell(*one_cell(*s.children[0]), "");
      cell(*one_cell(*s.children[1]), "_reverse");
      for (auto& c : s.children) done_.insert({c.get(), one_cell(*c)});
      return;
    }
    if (type == "MultiHeadAttention" && s.children.size() == 4) {
      all_.push_back({path, type, {}, {}});
      attention(s);
      for (auto& c : s.children) done_.insert(c.get());
      return;
    }
    if (const State* c = one_cell(s); c && !s.children.empty()) {  // an RNN and its cell are one
      all_.push_back({path, type, {}, {}});
      cell(*c, "");
      done_.insert(c);
      return;
    }
    const Weights w = own(s);
    if (w.empty()) return;
    all_.push_back({path, type, {}, {}});
    if (one_cell(s)) cell(s, "");
    else weights(type, w);
  }

  // The cell of an RNN, or the state itself if it is that of a cell; null if it is neither.
  static const State* one_cell(const State& s) {
    if (s.type == "LSTMCell" || s.type == "GRUCell" || s.type == "SimpleRNNCell") return &s;
    const bool rnn = s.type == "RNN" || s.type == "LSTM" || s.type == "GRU" || s.type == "SimpleRNN";
    return rnn && s.children.size() == 1 ? one_cell(*s.children[0]) : nullptr;
  }

  void weights(const std::string& type, const Weights& w) {
    const auto found = w.find("kernel");
    const Variable kernel = found == w.end() ? Variable() : found->second;
    const Shape k = kernel.defined() ? kernel.shape() : Shape();
    if (type == "Dense" && k.rank() == 2) {
      piece(kernel, "weight", {k[1], k[0]}, transposed);
    } else if (type.starts_with("Conv") && k.rank() > 2) {
      convolution(kernel);
    } else if (type.starts_with("DepthwiseConv") && k.rank() > 2) {
      depthwise(kernel);
    } else if (type.starts_with("SeparableConv") && w.contains("pointwise_kernel")) {
      const std::string path = all_.back().path;
      all_.back().path = path + "/depthwise";
      depthwise(w.at("depthwise_kernel"));
      all_.push_back({path + "/pointwise", type, {}, {}});
      convolution(w.at("pointwise_kernel"));
    } else if (type == "Embedding") {
      return as_is(w, "embeddings", "weight");
    } else if (type.ends_with("Normalization") && !w.contains("kernel")) {
      norm(w, "gamma", "weight");
      norm(w, "scale", "weight");
      norm(w, "beta", "bias");
      norm(w, "moving_mean", "running_mean");
      return norm(w, "moving_variance", "running_var");
    } else if (type == "PReLU") {
      const Variable& alpha = w.at("alpha");
      const Shape s = alpha.shape();
      return piece(alpha, "weight", {s.size()}, [s](const Tensor& t) { return reshape(t, s); });
    } else {
      for (auto& [name, v] : w) as_is(w, name.c_str(), name);
      return;
    }
    as_is(w, "bias", "bias");
  }

  // Of a layer normalisation over [H, W, C], PyTorch's are [C, H, W].
  void norm(const Weights& w, const char* ours, const char* theirs) {
    const auto it = w.find(ours);
    if (it == w.end()) return;
    const Shape s = it->second.shape();
    if (s.rank() < 2) return as_is(w, ours, theirs);
    Axes order;
    for (int d = 1; d < s.rank(); ++d) order.push_back(d);
    order.push_back(0);
    piece(it->second, theirs, Shape{s.back()}.concat(s.first(s.rank() - 1)),
          [order](const Tensor& t) { return permute_dims(t, order); });
  }

  // [H, W, in, out], there [out, in, H, W]; of a transposed one [H, W, out, in], there [in, out, H, W].
  void convolution(const Variable& kernel) {
    const Shape k = kernel.shape();
    piece(kernel, "weight", Shape{k.dim(-1), k.dim(-2)}.concat(k.first(k.rank() - 2)),
          [](const Tensor& t) { return spatial_first(t, true); });
  }

  // [H, W, C, m]; there [C * m, 1, H, W].
  void depthwise(const Variable& kernel) {
    const Shape k = kernel.shape();
    const std::int64_t m = k.dim(-1), c = k.dim(-2);
    const Shape places = k.first(k.rank() - 2);
    piece(kernel, "weight", Shape{c * m, 1}.concat(places), [=](const Tensor& t) {
      return spatial_first(reshape(t, Shape{c, m}.concat(places)), false);
    });
  }

  void cell(const State& s, const std::string& suffix) {
    const Weights w = own(s);
    const bool gru = s.type == "GRUCell";
    auto gates = [gru](const Tensor& t) { return gru ? update_first(t) : t; };
    auto kernel = [&](const char* ours, const char* theirs) {
      const Shape k = w.at(ours).shape();
      piece(w.at(ours), theirs + suffix, {k[1], k[0]}, [=](const Tensor& t) { return transposed(gates(t)); });
    };
    kernel("kernel", "weight_ih");
    kernel("recurrent_kernel", "weight_hh");
    if (!w.contains("bias")) return;
    const Variable& bias = w.at("bias");
    if (gru && bias.shape().rank() != 2)
      throw UsageError(
          fmt::format("{}: '{}' was made with reset_after = false; PyTorch has no such GRU.", kOp, all_.back().path));
    const std::string x = "bias_ih" + suffix, h = "bias_hh" + suffix;
    all_.back().wanted[x] = all_.back().wanted[h] = {bias.shape().back()};
    all_.back().pieces.push_back({bias, [=](const Parameters& p) {
                                    if (!gru) return p.at(x) + p.at(h);
                                    return stack({gates(p.at(x)), gates(p.at(h))});
                                  }});
  }

  // Query, key, value and output; the first three are one matrix in PyTorch, if they take as many features.
  void attention(const State& s) {
    Weights w[4];
    for (int i = 0; i < 4; ++i) w[i] = own(*s.children[std::size_t(i)]);
    const char* names[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    Shape k[4];
    for (int i = 0; i < 4; ++i) k[i] = w[i].at("kernel").shape();  // [in, heads, dim]; the last [heads, dim, out]
    const bool together = k[0] == k[1] && k[1] == k[2];
    const std::int64_t all = k[0][1] * k[0][2];
    if (together) all_.back().wanted["in_proj_weight"] = {3 * all, k[0][0]};
    for (int i = 0; i < 3; ++i) {
      const Shape own_shape = k[i];
      auto turned = [own_shape](const Tensor& t) { return reshape(transposed(t), own_shape); };
      auto part = [i, all](const Tensor& t) { return narrow(t, 0, i * all, all); };
      if (together)
        all_.back().pieces.push_back(
            {w[i].at("kernel"), [=](const Parameters& p) { return turned(part(p.at("in_proj_weight"))); }});
      else piece(w[i].at("kernel"), names[i], {own_shape[1] * own_shape[2], own_shape[0]}, turned);
      if (!w[i].contains("bias")) continue;
      const Shape b = w[i].at("bias").shape();
      all_.back().wanted["in_proj_bias"] = {3 * all};
      all_.back().pieces.push_back(
          {w[i].at("bias"), [=](const Parameters& p) { return reshape(part(p.at("in_proj_bias")), b); }});
    }
    const Shape out = k[3];
    piece(w[3].at("kernel"), "out_proj.weight", {out[2], out[0] * out[1]},
          [out](const Tensor& t) { return reshape(transposed(t), out); });
    as_is(w[3], "bias", "out_proj.bias");
  }

  void reorder(const detail::FlattenedImages& flattened) {
    for (auto& part : all_)
      for (auto& piece : part.pieces) {
        auto along = [&](const std::map<const void*, Shape>& images, int axis) {
          const auto it = images.find(piece.variable.cell());
          if (it == images.end()) return;
          piece.value = [before = piece.value, axis, image = it->second](const Parameters& p) {
            return channels_last(before(p), axis, image);
          };
        };
        along(flattened.rows, 0);
        along(flattened.columns, piece.variable.shape().rank() - 1);
      }
  }

  std::vector<Part> all_;
  std::set<const State*> done_;
};

// ---- what a file has

// "lstm.weight_ih_l1_reverse" is weight_ih_reverse of the module "lstm.l1", since layers have one level here. True for
// such a name.
bool split_name(const std::string& name, std::string& module, std::string& parameter) {
  const std::size_t dot = name.rfind('.');
  module = dot == std::string::npos ? "" : name.substr(0, dot);
  parameter = dot == std::string::npos ? name : name.substr(dot + 1);
  if (!parameter.starts_with("weight_") && !parameter.starts_with("bias_")) return false;
  const std::size_t at = parameter.find("h_l");
  const std::size_t end = parameter.find_first_not_of("0123456789", at == std::string::npos ? at : at + 3);
  if (at == std::string::npos || end == at + 3 || (end != std::string::npos && parameter.substr(end) != "_reverse"))
    return false;
  module += '.';
  module += parameter.substr(at + 2, end == std::string::npos ? end : end - at - 2);
  parameter = parameter.substr(0, at + 1) + (end == std::string::npos ? "" : "_reverse");
  return true;
}

std::vector<Module> modules_of(const io::NamedTensors& tensors, const std::string& prefix) {
  std::map<std::string, Parameters> by_name;
  std::set<std::string> levels;
  for (auto& [name, x] : tensors) {
    if (!name.starts_with(prefix)) continue;
    std::string module, parameter;
    if (split_name(name.substr(prefix.size()), module, parameter)) levels.insert(module);
    if (parameter != "num_batches_tracked") by_name[module][parameter] = x;
  }
  for (auto& [name, parameters] : by_name) {  // an attention and its output are one
    if (!parameters.contains("in_proj_weight") && !parameters.contains("q_proj_weight")) continue;
    const auto out = by_name.find(name.empty() ? "out_proj" : name + ".out_proj");
    if (out == by_name.end()) continue;
    for (auto& [p, x] : out->second) parameters["out_proj." + p] = x;
    out->second.clear();
  }
  std::vector<Module> out;
  for (auto& [name, parameters] : by_name) {
    if (parameters.empty()) continue;
    std::string shown = name;
    if (levels.contains(name) && name.ends_with(".l0") && !levels.contains(name.substr(0, name.size() - 1) + "1"))
      shown = name.substr(0, name.size() - 3);  // its only level
    out.push_back({shown, std::move(parameters)});
  }
  return out;
}

// ---- who is whose

template <class T>
std::string text_of(const std::map<std::string, T>& parameters) {
  std::string text;
  for (auto& [name, x] : parameters) {
    text += (text.empty() ? "" : ", ") + name + " ";
    if constexpr (std::is_same_v<T, Shape>) text += x.str();
    else text += x.shape().str();
  }
  return text;
}
std::string text_of(const Part& p) { return fmt::format("'{}' (a {}: {})", p.path, p.type, text_of(p.wanted)); }
std::string text_of(const Module& m) { return fmt::format("'{}' ({})", m.name, text_of(m.parameters)); }

template <class T>
std::string listed(const std::vector<T*>& all) {
  constexpr std::size_t shown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(shown, all.size()); ++i) text += (i ? ", " : "") + text_of(*all[i]);
  return all.size() > shown ? fmt::format("{}, ... ({} in all)", text, all.size()) : text;
}

// A name as the text between its numbers, and these.
std::pair<std::string, std::vector<std::string>> numbered(const std::string& name) {
  std::pair<std::string, std::vector<std::string>> out;
  for (std::size_t i = 0; i < name.size();) {
    const std::size_t end = std::min(name.find_first_not_of("0123456789", i), name.size());
    if (end == i) {
      out.first += name[i++];
      continue;
    }
    const std::size_t first = std::min(name.find_first_not_of('0', i), end - 1);
    out.first += '#';
    out.second.push_back(fmt::format("{:>20}", name.substr(first, end - first)));  // so that texts sort as numbers
    i = end;
  }
  return out;
}

bool within(const std::string& name, const std::string& outer, char separator) {
  return name == outer || (name.starts_with(outer) && name[outer.size()] == separator);
}

class Matching {
 public:
  Matching(const std::string& path, const TorchWeightsOptions& options, std::vector<Part>& parts,
           std::vector<Module>& modules)
      : path_(path), options_(options) {
    for (auto& p : parts) parts_.push_back(&p);
    for (auto& m : modules) modules_.push_back(&m);
  }

  std::vector<std::pair<Part*, Module*>> run() {
    for (auto& [ours, theirs] : options_.names) {
      auto parts = taken(parts_, [&](Part* p) { return within(p->path, ours, '/'); });
      auto modules = taken(modules_, [&](Module* m) { return within(m->name, theirs, '.'); });
      if (parts.empty())
        throw UsageError(fmt::format("{}: names: the model has no layer '{}' that is not matched yet.", kOp, ours));
      if (modules.empty())
        fail(fmt::format("there is no module '{}' that is not matched yet, for '{}'.", theirs, ours));
      if (parts.size() == 1 && modules.size() == 1 && text_of(parts[0]->wanted) != text_of(modules[0]->parameters))
        fail(fmt::format("{} does not fit {}.", text_of(*modules[0]), text_of(*parts[0])));
      by_size(parts, modules);
    }
    by_size(parts_, modules_);
    if (options_.partial && pairs_.empty()) fail("nothing in it fits the model.");
    if (!options_.partial && !(lone_parts_.empty() && lone_modules_.empty())) {
      std::string what;
      if (!lone_parts_.empty()) what += "nothing in it fits " + listed(lone_parts_) + " of the model";
      if (!lone_modules_.empty())
        what += (what.empty() ? "nothing in the model fits " : "; ") + listed(lone_modules_) +
                (what.empty() ? " of the file" : " of the file fits nothing here");
      fail(what + ". Pass over them with .partial = true.");
    }
    return std::move(pairs_);
  }

 private:
  template <class T, class F>
  static std::vector<T*> taken(std::vector<T*>& from, F f) {
    std::vector<T*> out;
    for (T* t : from)
      if (f(t)) out.push_back(t);
    std::erase_if(from, f);
    return out;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw FileError(fmt::format("{}: {}: {}", kOp, path_, what));
  }

  void by_size(const std::vector<Part*>& parts, const std::vector<Module*>& modules) {
    std::map<std::string, std::vector<Module*>> left;
    std::map<std::string, std::vector<Part*>> wanting;
    std::vector<std::string> order;
    for (Module* m : modules) left[text_of(m->parameters)].push_back(m);
    for (Part* p : parts) {
      auto& same = wanting[text_of(p->wanted)];
      if (same.empty()) order.push_back(text_of(p->wanted));
      same.push_back(p);
    }
    for (auto& sizes : order) {
      pair_up(wanting[sizes], left[sizes]);
      left.erase(sizes);
    }
    for (Module* m : modules)
      if (left.contains(text_of(m->parameters))) lone_modules_.push_back(m);
  }

  // All of the same sizes.
  void pair_up(const std::vector<Part*>& parts, std::vector<Module*> modules) {
    if (modules.empty()) {
      lone_parts_.insert(lone_parts_.end(), parts.begin(), parts.end());
      return;
    }
    bool clear = parts.size() == modules.size();
    for (Module* m : modules) clear &= numbered(m->name).first == numbered(modules[0]->name).first;
    if (!clear && (parts.size() > 1 || modules.size() > 1)) {
      std::string ours, theirs;
      for (Part* p : parts) ours += (ours.empty() ? "'" : ", '") + p->path + "'";
      for (Module* m : modules) theirs += (theirs.empty() ? "'" : ", '") + m->name + "'";
      fail(fmt::format(
          "which of {} is for which of {} is open, since all have {}. Say it: .names = {{{{\"{}\", ...}}}}.", theirs,
          ours, text_of(parts[0]->wanted), parts[0]->path));
    }
    std::sort(modules.begin(), modules.end(),
              [](Module* a, Module* b) { return numbered(a->name).second < numbered(b->name).second; });
    for (std::size_t i = 0; i < parts.size(); ++i) pairs_.emplace_back(parts[i], modules[i]);
  }

  const std::string& path_;
  const TorchWeightsOptions& options_;
  std::vector<Part*> parts_, lone_parts_;
  std::vector<Module*> modules_, lone_modules_;
  std::vector<std::pair<Part*, Module*>> pairs_;
};

}  // namespace

void load_torch_weights(Layer& model, const std::string& path, const TorchWeightsOptions& options, Where where) {
  CallSite site(where);
  if (!model.built())
    throw UsageError(
        fmt::format("{}: '{}' has no weights yet. Call model.build(input_shape) first.", kOp, model.name()));
  detail::Unrecorded unrecorded;
  std::vector<Module> modules =
      modules_of(path.ends_with(".npz") ? io::load_npz(path) : io::load_safetensors(path), options.prefix);
  std::vector<Part> parts = Parts(model).take();
  std::vector<std::pair<Variable, Tensor>> found;
  for (auto& [part, module] : Matching(path, options, parts, modules).run()) {
    for (auto& [name, x] : module->parameters)
      if (!is_floating(x.dtype()))
        throw FileError(fmt::format("{}: {}: {} of '{}' is {}; weights are floating.", kOp, path, name, module->name,
                                    name_of(x.dtype())));
    for (auto& piece : part->pieces)
      found.emplace_back(piece.variable, piece.value(module->parameters).astype(piece.variable.dtype()));
  }
  for (auto& [v, value] : found) v.assign(value);
}

}  // namespace tapir::nn
