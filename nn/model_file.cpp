// Models on disk: weights alone, or all that training goes on from.
#include <tapir/io/npy.h>
#include <tapir/io/safetensors.h>
#include <tapir/nn/compiled.h>
#include <tapir/nn/layer_state.h>

#include <fmt/format.h>

#include <stdexcept>

#include <set>

namespace tapir::nn {
namespace {

// In a file of Model::save, names start with "weights/", "random/" or "optimizer/"; its metadata says "tapir": "model".
constexpr const char *kKind = "tapir", *kModel = "model";

const std::string* find(const io::Metadata& metadata, const std::string& key) {
  for (auto& [k, text] : metadata)
    if (k == key) return &text;
  return nullptr;
}

bool is_model(const io::Metadata& metadata) {
  auto* kind = find(metadata, kKind);
  return kind && *kind == kModel;
}

void check_built(const Layer& model, const char* what) {
  if (!model.built())
    throw UsageError(fmt::format("{}: the model has no weights yet. Call model.build(input_shape) first.", what));
}

// What a file is to put into a model. Nothing is assigned before all of it is found to fit.
class Restore {
 public:
  Restore(const char* what, const std::string& path, io::NamedTensors tensors)
      : what_(what), path_(path), tensors_(std::move(tensors)) {}

  bool has(const std::string& name) const {
    for (auto& [n, t] : tensors_)
      if (n == name) return true;
    return false;
  }
  const Tensor& value(const std::string& name, const Shape& shape, DType dtype) {
    for (auto& [n, t] : tensors_) {
      if (n != name) continue;
      if (!(t.shape() == shape) || t.dtype() != dtype)
        throw FileError(fmt::format("{}: {}: '{}' is {} {} in the file, {} {} in the model.", what_, path_, name,
                                    name_of(t.dtype()), t.shape().str(), name_of(dtype), shape.str()));
      used_.insert(name);
      return t;
    }
    throw FileError(fmt::format("{}: {}: there is no '{}' in the file.", what_, path_, name));
  }
  void take(const std::string& name, const Variable& v) { found_.emplace_back(v, value(name, v.shape(), v.dtype())); }
  void check_all_used() const {
    for (auto& [name, t] : tensors_)
      if (!used_.contains(name))
        throw FileError(fmt::format("{}: {}: the file has {} tensors, the model {}; '{}' is in the file alone.", what_,
                                    path_, tensors_.size(), used_.size(), name));
  }
  void assign() {
    for (auto& [v, t] : found_) v.assign(t);
  }

 private:
  const char* what_;
  const std::string& path_;
  io::NamedTensors tensors_;
  std::set<std::string> used_;
  std::vector<std::pair<Variable, Tensor>> found_;
};

std::string leaf(const Variable& v) { return v.name().substr(v.name().rfind('/') + 1); }

std::string metric_name(std::size_t i, std::size_t j) { return fmt::format("fit/metric/{}/{}", i, j); }

template <class Named>
std::string names_of(const std::vector<Named>& all) {
  std::string text;
  for (auto& m : all) text += (text.empty() ? "" : ", ") + m.name();
  return text;
}

}  // namespace

void Model::save_weights(const std::string& path, Where where) const {
  CallSite site(where);
  check_built(*this, "save_weights");
  io::NamedTensors tensors;
  detail::visit_variables(
      *state(), [&](const Variable& v, bool, const std::string& name) { tensors.emplace_back(name, v.value()); });
  if (path.ends_with(".npz")) io::save_npz(path, tensors);
  else io::save_safetensors(path, tensors);
}

void Model::load_weights(const std::string& path, Where where) {
  CallSite site(where);
  check_built(*this, "load_weights");
  const bool npz = path.ends_with(".npz");
  io::NamedTensors tensors = npz ? io::load_npz(path) : io::load_safetensors(path);
  if (!npz && is_model(io::load_safetensors_metadata(path))) {
    io::NamedTensors weights;
    for (auto& [name, t] : tensors)
      if (name.starts_with("weights/")) weights.emplace_back(name.substr(8), t);
    tensors = std::move(weights);
  }
  Restore restore("load_weights", path, std::move(tensors));
  detail::visit_variables(*state(), [&](const Variable& v, bool, const std::string& name) { restore.take(name, v); });
  restore.check_all_used();
  restore.assign();
}

void Model::save(const std::string& path, Where where) const {
  CallSite site(where);
  check_built(*this, "save");
  write_state(path, {});
}

void Model::load(const std::string& path, Where where) {
  CallSite site(where);
  read_state("load", path);
}

void Model::write_state(const std::string& path, io::NamedTensors tensors) const {
  io::Metadata metadata{{kKind, kModel}, {"type", type()}};
  detail::visit_variables(*state(), [&](const Variable& v, bool, const std::string& name) {
    tensors.emplace_back("weights/" + name, v.value());
  });
  detail::visit_streams(*state(), [&](const Variable& v, bool, const std::string& name) {
    tensors.emplace_back("random/" + name, v.value());
  });
  if (const Compiled* c = compiled_->get()) {
    tensors.emplace_back("optimizer/iterations", c->optimizer.iterations().value());
    tensors.emplace_back("optimizer/learning_rate", c->optimizer.variables()[1].value());
    for (auto& v : c->optimizer.shared_variables()) tensors.emplace_back("optimizer/" + leaf(v), v.value());
    detail::visit_variables(*state(), [&](const Variable& v, bool, const std::string& name) {
      const std::vector<Variable> slots = c->optimizer.slots(v);
      for (std::size_t k = 0; k < slots.size(); ++k)
        tensors.emplace_back("optimizer/" + name + "/" + c->optimizer.slot_names()[k], slots[k].value());
    });
    metadata.insert(metadata.end(), {{"optimizer", c->optimizer.text()},
                                     {"loss", names_of(c->losses)},
                                     {"metrics", names_of(c->metrics)},
                                     {"weighted_metrics", names_of(c->weighted_metrics)}});
  }
  io::save_safetensors(path, tensors, metadata);
}

io::NamedTensors Model::read_state(const char* what, const std::string& path) {
  check_built(*this, what);
  io::NamedTensors all = io::load_safetensors(path), own, of_fit;
  for (auto& named : all) (named.first.starts_with("fit/") ? of_fit : own).push_back(std::move(named));
  Restore restore(what, path, std::move(own));
  const io::Metadata metadata = io::load_safetensors_metadata(path);
  if (!is_model(metadata))
    throw FileError(fmt::format(
        "{}: {}: this file was not written by save(). Weights alone are read by load_weights().", what, path));
  Compiled* c = compiled_->get();
  const std::string *trained = find(metadata, "optimizer"), *loss = find(metadata, "loss");
  if (trained && !c)
    throw UsageError(
        fmt::format("{}: {}: compile the model as the saved one first, with optimizer {} and loss {}. "
                    "Weights alone are read by load_weights().",
                    what, path, *trained, loss ? *loss : "?"));
  auto kind = [](const std::string& text) { return text.substr(0, text.find('(')); };
  if (trained && kind(*trained) != kind(c->optimizer.text()))
    throw FileError(
        fmt::format("{}: {}: its optimizer was {}, that of the model is {}. Weights alone are read by load_weights().",
                    what, path, *trained, c->optimizer.text()));

  std::vector<std::pair<Variable, std::vector<Tensor>>> slots;
  detail::visit_streams(*state(),
                        [&](const Variable& v, bool, const std::string& name) { restore.take("random/" + name, v); });
  detail::visit_variables(*state(), [&](const Variable& v, bool, const std::string& name) {
    restore.take("weights/" + name, v);
    if (!trained) return;
    const std::vector<std::string>& kept = c->optimizer.slot_names();
    if (kept.empty() || !restore.has("optimizer/" + name + "/" + kept[0])) return;  // no step has moved it
    slots.emplace_back(v, std::vector<Tensor>());
    const std::vector<TensorSpec> specs = c->optimizer.slot_specs(v);
    for (std::size_t k = 0; k < kept.size(); ++k)
      slots.back().second.push_back(restore.value("optimizer/" + name + "/" + kept[k], specs[k].shape, specs[k].dtype));
  });
  if (trained) {
    restore.take("optimizer/iterations", c->optimizer.iterations());
    restore.take("optimizer/learning_rate", c->optimizer.variables()[1]);
    for (auto& v : c->optimizer.shared_variables()) restore.take("optimizer/" + leaf(v), v);
  }
  restore.check_all_used();

  if (trained) {
    c->optimizer.reset();
    for (auto& [v, values] : slots) {
      c->optimizer.build({v});
      std::vector<Variable> own = c->optimizer.slots(v);
      for (std::size_t k = 0; k < own.size(); ++k) own[k].assign(values[k]);
    }
  }
  restore.assign();
  return of_fit;
}

// fit/at: epoch, batches done, was it to stop, pass over a Dataset and place in it; fit/generator: where it stood
// before the order was drawn, and now; fit/metric/i/j; fit/callback/i/NAME.
void Model::save_progress(const std::string& path, bool whole) const {
  Compiled& c = **compiled_;
  const Fit& fit = *c.fit;
  if (fit.parallel && !whole) {  // the first process goes on with what all have seen so far, and writes it
    c.join_metrics();
    if (!fit.writes()) c.reset_metrics();
  }
  if (!fit.writes()) return;
  const random::GeneratorState now = random::generator_state();
  auto numbers = [](const std::vector<std::int64_t>& v) { return Tensor::from_vector(v); };
  io::NamedTensors state{
      {"fit/at", numbers({fit.epoch + whole, whole ? 0 : fit.step, fit.stop, fit.batches ? fit.batches->pass() : 0,
                          fit.batches ? fit.batches->position() : 0})},
      {"fit/generator", numbers({fit.before_order.seed, fit.before_order.stream, now.seed, now.stream})}};
  if (!whole) {
    const std::vector<Metric> metrics = c.all_metrics();
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      const std::vector<Variable> kept = metrics[i].variables();
      for (std::size_t j = 0; j < kept.size(); ++j) state.emplace_back(metric_name(i, j), kept[j].value());
    }
  }
  for (std::size_t i = 0; i < fit.callbacks.size(); ++i)
    for (auto& [name, value] : fit.callbacks[i]->state())
      state.emplace_back(fmt::format("fit/callback/{}/{}", i, name), value);
  write_state(path, std::move(state));
}

void Model::load_progress(const std::string& path) {
  Compiled& c = **compiled_;
  Fit& fit = *c.fit;
  const io::NamedTensors state = read_state("BackupAndRestore", path);
  auto other_version = [&] {
    return FileError(fmt::format(
        "BackupAndRestore: {}: it was written by another version of tapir, or for other metrics. Remove it to train "
        "from the beginning; its weights are read by load_weights().",
        path));
  };
  auto number = [&](const char* name, std::size_t i) {
    const Tensor kept = io::contains(state, name) ? io::find(state, name) : Tensor();
    if (!kept.defined() || kept.dtype() != DType::i64 || i >= std::size_t(kept.size())) throw other_version();
    return kept.to_vector<std::int64_t>()[i];
  };
  for (std::size_t i = 0; i < 5; ++i)  // epochs, batches: what a training could have come to
    if (number("fit/at", i) < 0 || number("fit/at", i) > (std::int64_t(1) << 30)) throw other_version();
  fit.epoch = int(number("fit/at", 0));
  fit.step = number("fit/at", 1);
  fit.stop = number("fit/at", 2) != 0;
  if (fit.steps >= 0 && fit.step > fit.steps) throw other_version();
  fit.within_epoch = fit.step > 0;
  if (fit.batches) fit.batches->open(number("fit/at", 3), number("fit/at", 4));
  fit.before_order = {number("fit/generator", 0), number("fit/generator", 1)};
  random::set_generator_state({number("fit/generator", 2), number("fit/generator", 3)});
  if (fit.within_epoch) {
    std::vector<Metric> metrics = c.all_metrics();
    for (std::size_t i = 0; i < metrics.size(); ++i) {
      std::vector<Tensor> kept;
      for (std::string name = metric_name(i, 0); io::contains(state, name); name = metric_name(i, kept.size()))
        kept.push_back(io::find(state, name));
      const std::vector<Variable> now = metrics[i].variables();
      bool fits = kept.size() >= now.size();
      for (std::size_t j = 0; fits && j < now.size(); ++j) fits = kept[j].spec() == now[j].value().spec();
      if (!fits) throw other_version();
      metrics[i].set_state(kept);
    }
  }
  if (!fit.writes()) c.reset_metrics();  // the first process has those of all
  for (std::size_t i = 0; i < fit.callbacks.size(); ++i) {
    const std::string prefix = fmt::format("fit/callback/{}/", i);
    NamedValues<Tensor> own;
    for (auto& [name, value] : state)
      if (name.starts_with(prefix)) own.at_or_new(name.substr(prefix.size())) = value;
    try {
      if (own.size() > 0) fit.callbacks[i]->set_state(own);
    } catch (const std::out_of_range&) {  // it remembered less then
      throw other_version();
    }
  }
}

}  // namespace tapir::nn
