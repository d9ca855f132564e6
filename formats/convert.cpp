#include <tapir/formats/convert.h>
#include <tapir/formats/hdf5.h>
#include <tapir/formats/keras.h>
#include <tapir/formats/onnx.h>
#include <tapir/io/function_file.h>
#include <tapir/io/npy.h>
#include <tapir/io/safetensors.h>
#include <tapir/nn/layer_state.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

namespace tapir::formats {
namespace {

enum class Kind { keras, keras_weights, hdf5, onnx, safetensors, function, npz };

Kind kind_of(const std::string& path) {
  static const std::pair<const char*, Kind> endings[] = {
      {".keras", Kind::keras}, {".weights.h5", Kind::keras_weights}, {".h5", Kind::hdf5}, {".hdf5", Kind::hdf5},
      {".onnx", Kind::onnx},   {".safetensors", Kind::safetensors},  {".npz", Kind::npz}, {".tapir", Kind::function}};
  for (auto& [ending, kind] : endings)
    if (path.ends_with(ending)) return kind;
  throw UsageError(
      fmt::format("convert: {}: the ending says what a file is: .keras, .weights.h5, .h5, .onnx, "
                  ".safetensors, .tapir or .npz.",
                  path));
}

// What was read.
struct Content {
  std::string what;  // "an ONNX model"
  io::NamedTensors tensors;
  std::optional<nn::Functional> model;  // of Keras, in the file `original`
  std::string original = {};
  // The computation, if there is one.
  std::function<std::vector<Tensor>(const std::vector<Tensor>&)> call = {};
  std::vector<TensorSpec> inputs = {};
  onnx::SaveOptions names = {};
};

Content of_keras(const std::string& path, nn::Functional model) {
  Content out{"a Keras model", {}, model, path};
  nn::detail::visit_variables(*model.state(), [&](const Variable& v, bool, const std::string& name) {
    out.tensors.emplace_back(name, v.value());
  });
  for (auto& input : model.inputs()) {
    out.inputs.emplace_back(Shape{unknown}.concat(input.shape()), input.dtype());
    out.names.inputs.push_back(input.node()->name);
  }
  out.call = [model](const std::vector<Tensor>& xs) mutable { return model.outputs(xs, {.training = 0}); };
  return out;
}

Content of_onnx(const std::string& path) {
  const onnx::Model model = onnx::load(path, {.trainable = true});  // so that weights have names in what is written
  Content out{"an ONNX model", {}, {}};
  for (auto& w : model.weights()) out.tensors.emplace_back(w.name, w.variable.value());
  for (auto& info : model.inputs()) {
    if (!info.ranked)
      throw UsageError(fmt::format("convert: {}: the rank of its input '{}' is not known.", path, info.name));
    out.inputs.emplace_back(info.shape, info.dtype);
    out.names.inputs.push_back(info.name);
  }
  for (auto& info : model.outputs()) out.names.outputs.push_back(info.name);
  out.call = [model](const std::vector<Tensor>& xs) { return model(xs); };
  return out;
}

// The trace that all sizes fit, or the only one.
std::vector<TensorSpec> signature_of(const std::string& path, const LoadedFunction& f) {
  const auto all = f.signatures();
  auto open = [](const std::vector<TensorSpec>& specs) {
    return std::any_of(specs.begin(), specs.end(),
                       [](auto& s) { return std::find(s.shape.begin(), s.shape.end(), unknown) != s.shape.end(); });
  };
  if (all.size() == 1) return all[0];
  if (std::count_if(all.begin(), all.end(), open) == 1) return *std::find_if(all.begin(), all.end(), open);
  throw UsageError(fmt::format(
      "convert: {}: its function has {} traces; save one of them: f.get_concrete(...).save(path).", path, all.size()));
}

Content of_function(const std::string& path, const ConvertOptions& options) {
  const LoadedFunction f = load_function(path, options.function);
  Content out{"a saved function", {}, {}};
  for (auto& v : f.variables()) out.tensors.emplace_back(v.name(), v.value());
  out.inputs = signature_of(path, f);
  out.call = [f](const std::vector<Tensor>& xs) { return f(xs); };
  return out;
}

Content of_safetensors(const std::string& path, const ConvertOptions& options) {
  for (auto& [key, text] : io::load_safetensors_metadata(path)) {
    if (key != "tapir") continue;
    if (text != "model") return of_function(path, options);
    Content out{"a saved model's weights", {}, {}};
    for (auto& [name, x] : io::load_safetensors(path))
      if (name.starts_with("weights/")) out.tensors.emplace_back(name.substr(8), x);
    return out;
  }
  return {"tensors alone", io::load_safetensors(path), {}};
}

Content read(const std::string& path, const ConvertOptions& options) {
  const Kind kind = kind_of(path);
  if (!options.like.empty()) {
    if (kind == Kind::keras || kind == Kind::onnx || kind == Kind::function)
      throw UsageError(fmt::format("convert: {} has a computation of its own; --like is for weights alone.", path));
    nn::Functional model = load_keras(options.like, {.unknown_size = options.unknown_size});
    if (kind == Kind::keras_weights || kind == Kind::hdf5) load_keras_weights(path, model);
    else model.load_weights(path);
    return of_keras(options.like, model);
  }
  switch (kind) {
    case Kind::keras:
      return of_keras(path, load_keras(path, {.unknown_size = options.unknown_size}));
    case Kind::onnx:
      return of_onnx(path);
    case Kind::safetensors:
      return of_safetensors(path, options);
    case Kind::function:
      return of_function(path, options);
    case Kind::npz:
      return {"tensors alone", io::load_npz(path), {}};
    default:
      return {"tensors alone", load_hdf5(path), {}};
  }
}

void need_computation(const std::string& from, const Content& c) {
  if (!c.call)
    throw UsageError(
        fmt::format("convert: {} has {}, and no computation. They go into .safetensors, .npz or .h5, or "
                    "into the model of a Keras file: --like model.keras.",
                    from, c.what));
}
void need_keras(const std::string& from, const Content& c) {
  if (!c.model)
    throw UsageError(fmt::format("convert: {} has {}; only a Keras model has layers to write for Keras. {}", from,
                                 c.what, c.call ? "Write .onnx." : "Say which model it is for: --like model.keras."));
}

// A name for each, none twice.
io::NamedTensors named(const io::NamedTensors& tensors) {
  io::NamedTensors out;
  std::set<std::string> used;
  for (auto& [name, x] : tensors) {
    std::string own = name.empty() ? "variable" : name;
    for (int n = 1; !used.insert(own).second; ++n) own = fmt::format("{}_{}", name.empty() ? "variable" : name, n);
    out.emplace_back(own, x);
  }
  return out;
}

std::string write_tensors(const std::string& from, const std::string& to, const Content& c, Kind kind) {
  if (c.tensors.empty()) throw UsageError(fmt::format("convert: {} has no tensors by name.", from));
  const io::NamedTensors tensors = named(c.tensors);
  if (kind == Kind::npz) io::save_npz(to, tensors);
  else if (kind == Kind::safetensors) io::save_safetensors(to, tensors);
  else save_hdf5(to, tensors);
  return fmt::format("{}: {} tensors", to, tensors.size());
}

std::string write_function(const std::string& to, const Content& c, Kind kind) {
  auto traced = function([&](const std::vector<Tensor>& xs) { return c.call(xs); }, {.name = "predict"});
  const auto f = traced.get_concrete(c.inputs);
  if (kind == Kind::onnx) {
    const std::set<std::string> different(c.names.inputs.begin(), c.names.inputs.end());
    const bool all = different.size() == c.inputs.size() && !different.contains("");
    onnx::save(to, f, all ? c.names : onnx::SaveOptions{.outputs = c.names.outputs});
  } else {
    f.save(to);
  }
  std::string takes;
  for (auto& s : f.signature())
    takes += fmt::format("{}{} {}", takes.empty() ? "" : ", ", name_of(s.dtype), s.shape.str());
  return fmt::format("{}: a function of {}", to, takes);
}

std::string write(const std::string& from, const std::string& to, const Content& c, const ConvertOptions& options) {
  const Kind kind = kind_of(to);
  switch (kind) {
    case Kind::keras:
      need_keras(from, c);
      save_keras(to, *c.model, c.original);
      return fmt::format("{}: a Keras model of {} weights", to, c.model->count_params());
    case Kind::keras_weights:
      need_keras(from, c);
      save_keras_weights(to, *c.model);
      return fmt::format("{}: {} weights of a Keras model", to, c.model->count_params());
    case Kind::onnx:
    case Kind::function:
      need_computation(from, c);
      return write_function(to, c, kind);
    case Kind::safetensors:
      if (c.call && !options.weights) return write_function(to, c, kind);
      return write_tensors(from, to, c, kind);
    default:
      return write_tensors(from, to, c, kind);
  }
}

}  // namespace

std::string convert(const std::string& from, const std::string& to, const ConvertOptions& options, Where where) {
  CallSite site(where);
  kind_of(to);  // before work that may take long
  return write(from, to, read(from, options), options);
}

}  // namespace tapir::formats

void tapir_formats_convert(const std::string& from, const std::string& to,
                           const tapir::formats::ConvertOptions& options, std::string& said) {
  said = tapir::formats::convert(from, to, options, tapir::Where());  // no line of C++ asked for it
}
