#include <tapir/formats/keras.h>
#include <tapir/formats/keras_config.h>
#include <tapir/formats/keras_weights.h>
#include <tapir/io/output_file.h>
#include <tapir/io/zip.h>
#include <tapir/nn/layer_state.h>
#include <tapir/nn/merge_layers.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

namespace tapir::detail {
namespace {

using nn::AnyLayer;
using nn::Symbol;
constexpr int kDeepest = 16;                                   // models within models
constexpr std::int64_t kLargestInput = std::int64_t(1) << 28;  // elements of one example

// The members of a .keras archive that matter.
struct Archive {
  std::string config, weights, metadata;
};

Archive read_archive(const FileContext& context) {
  const InputFile file(context);
  Archive out;
  for (auto& member : read_zip_directory(file)) {
    std::string* to = member.name == "config.json"        ? &out.config
                      : member.name == "model.weights.h5" ? &out.weights
                      : member.name == "metadata.json"    ? &out.metadata
                                                          : nullptr;
    if (to) *to = read_all(*open_zip_member(file, member), member.name.c_str());
  }
  if (out.config.empty()) context.fail("there is no config.json in it; it is no .keras file.");
  if (out.weights.empty()) context.fail("there is no model.weights.h5 in it.");
  return out;
}

// Lists within lists within lists would be walked by functions that call themselves.
Json parse_config(const FileContext& context, const std::string& text) {
  return Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
    if (depth > 100) context.fail("config.json is nested too deeply.");
    return true;
  });
}

// Builds models from config.json, and says where the weights of their layers are.
class Builder {
 public:
  Builder(const FileContext& context, const formats::LoadKerasOptions& options, std::int64_t limit)
      : context_(context), options_(options), limit_(limit) {}

  KerasWeights weights;

  nn::Functional model(const Json& json, const std::string& prefix, int depth) {
    if (depth > kDeepest) context_.fail("models stand within models too deeply.");
    const std::string type = text_of(json, "class_name");
    const Json& config = member(json, "config");
    if (type == "Sequential") return sequential(json, config, prefix, depth);
    if (type == "Functional" || type == "Model") return functional(config, prefix, depth);
    context_.fail(fmt::format("its model is a {}; only Sequential and Functional are read.", type));
  }

 private:
  // A layer that was made, and what it gave each time it was called.
  struct Made {
    std::string name, path, type;
    std::shared_ptr<AnyLayer> layer;  // null: an input
    const Json* json = nullptr;
    std::vector<std::vector<Symbol>> calls;
  };

  const Json& member(const Json& json, const char* key) const {
    static const Json none;
    if (!json.is_object()) context_.fail("config.json is damaged.");
    const auto it = json.find(key);
    return it == json.end() ? none : *it;
  }
  std::string text_of(const Json& json, const char* key) const {
    const Json& v = member(json, key);
    if (!v.is_string()) context_.fail(fmt::format("config.json is damaged: there is no text '{}'.", key));
    return v.get<std::string>();
  }

  Symbol input(const Json& batch_shape, const Json& dtype, const std::string& name) {
    if (!batch_shape.is_array() || batch_shape.empty() || batch_shape.size() > Shape::max_rank)
      context_.fail(fmt::format("the shape of input '{}' is not known.", name));
    Shape shape;
    std::int64_t elements = 1;
    for (std::size_t i = 1; i < batch_shape.size(); ++i) {
      const Json& n = batch_shape[i];
      const std::int64_t size = n.is_number_integer() ? n.get<std::int64_t>()
                                : n.is_null()         ? options_.unknown_size
                                                      : -1;
      if (size == 0 && n.is_null())
        context_.fail(fmt::format("input '{}' has a size of None. Say what stands for it: .unknown_size = 32.", name));
      if (size < 0 || size > kLargestInput || (elements *= std::max<std::int64_t>(size, 1)) > kLargestInput)
        context_.fail(fmt::format("input '{}' has an impossible shape.", name));
      shape.push_back(size);
    }
    DType type = DType::f32;
    if (dtype == "int32") type = DType::i32;
    else if (dtype == "int64") type = DType::i64;
    else if (dtype == "uint8") type = DType::u8;
    else if (!dtype.is_null() && dtype != "float32" && !dtype.is_object())
      context_.fail(fmt::format("input '{}' is {}; float32, int32, int64 and uint8 are read.", name, dtype.dump()));
    return nn::Input(shape, {.dtype = type, .name = name});
  }

  Made make(const Json& json, const std::string& path, int depth, bool causal) {
    Made out;
    out.path = path;
    out.type = text_of(json, "class_name");
    out.json = &json;
    const Json& config = member(json, "config");
    out.name = config.is_object() ? config.value("name", std::string()) : "";
    const Json& module = member(json, "module");
    if (module.is_string() && !module.get<std::string>().starts_with("keras.layers") && module != "keras" &&
        !module.get<std::string>().starts_with("keras.src.models"))
      context_.fail(fmt::format("'{}' is a {} of {}; only Keras's own layers are read.", out.name, out.type,
                                module.get<std::string>()));
    if (out.type == "InputLayer") return out;
    if (out.type == "Sequential" || out.type == "Functional") {
      out.layer = std::make_shared<AnyLayer>(model(json, path + "/", depth + 1));
    } else {
      KerasConfig settings(context_, json, limit_);
      out.layer = std::make_shared<AnyLayer>(keras_layer(settings, causal));
    }
    if (config.value("trainable", Json(true)) == false) (**out.layer).set_trainable(false);
    return out;
  }

  std::vector<Symbol> call(const Made& layer, const std::vector<Symbol>& xs) {
    try {
      return layer.layer->outputs(xs);
    } catch (const OutOfMemoryError&) {
      throw;
    } catch (const Error& e) {
      context_.fail(fmt::format("layer '{}' (a {}) cannot be built: {}", layer.name, layer.type, without_place(e)));
    }
  }

  // Models have added theirs while they were made.
  void add_weights(const Made& layer) {
    if (!layer.layer || layer.type == "Sequential" || layer.type == "Functional") return;
    add_keras_layer(weights, *(*layer.layer)->state(), layer.path);
  }

  nn::Functional finish(const std::vector<Symbol>& inputs, const std::vector<Symbol>& outputs, const Json& config,
                        const char* type) {
    nn::Functional model(inputs, outputs, text_of(config, "name"));
    model.state()->type = type;  // which the names of weights are made of
    if (const auto policy = keras_policy(config)) model.set_dtype_policy(*policy);
    return model;
  }

  nn::Functional sequential(const Json& json, const Json& config, const std::string& prefix, int depth) {
    const Json& layers = member(config, "layers");
    if (!layers.is_array() || layers.empty()) context_.fail("config.json is damaged: a Sequential without layers.");
    KerasCounter counter;
    std::vector<Symbol> x, first;
    if (text_of(layers[0], "class_name") != "InputLayer") {
      Json shape = member(config, "build_input_shape");
      if (shape.is_null() && member(json, "build_config").is_object())
        shape = member(json["build_config"], "input_shape");
      first = x = {input(shape, Json(), "")};
    }
    for (auto& item : layers) {
      if (text_of(item, "class_name") == "InputLayer") {
        const Json& settings = member(item, "config");
        first = x = {input(member(settings, "batch_shape"), member(settings, "dtype"), text_of(settings, "name"))};
        continue;
      }
      const Made made = make(item, prefix + "layers/" + counter.next(text_of(item, "class_name")), depth, false);
      x = call(made, {x[0]});
      add_weights(made);
    }
    return finish(first, {x[0]}, config, "Sequential");
  }

  // ---- functional models

  // "name", number of the call, number of the output.
  const Symbol* find(std::vector<Made>& layers, const Json& history) {
    if (!history.is_array() || history.size() != 3 || !history[0].is_string() || !history[1].is_number_unsigned() ||
        !history[2].is_number_unsigned())
      context_.fail("config.json is damaged: a tensor that nothing gives.");
    for (auto& made : layers) {
      if (made.name != history[0].get_ref<const std::string&>()) continue;
      const std::size_t node = history[1], output = history[2];
      if (node >= made.calls.size()) return nullptr;  // not yet
      if (output >= made.calls[node].size())
        context_.fail(fmt::format("layer '{}' has no output {}.", made.name, output));
      return &made.calls[node][output];
    }
    context_.fail(fmt::format("config.json names a layer '{}' that is not there.", history[0].get<std::string>()));
  }

  // Adds the tensors in `json` to `out`; false if one of them is yet to come.
  bool collect(std::vector<Made>& layers, const Json& json, std::vector<Symbol>& out, const Made& of) {
    if (json.is_array()) {
      for (auto& item : json)
        if (!collect(layers, item, out, of)) return false;
      return true;
    }
    if (!json.is_object() || json.value("class_name", Json()) != "__keras_tensor__")
      context_.fail(fmt::format("layer '{}' (a {}) is called on {}, which is no tensor.", of.name, of.type,
                                json.dump().substr(0, 40)));
    const Symbol* s = find(layers, member(member(json, "config"), "keras_history"));
    if (s) out.push_back(*s);
    return s != nullptr;
  }

  bool call_next(std::vector<Made>& layers, Made& layer, const Json& node) {
    std::vector<Symbol> xs;
    if (!collect(layers, member(node, "args"), xs, layer)) return false;
    const Json& named = member(node, "kwargs");
    for (auto& [key, v] : named.items()) {
      if (v.is_null() || v == false || key == "use_causal_mask" || (key == "training" && v.is_boolean())) continue;
      if (key != "value" && key != "key" && key != "initial_state")
        context_.fail(
            fmt::format("layer '{}' (a {}) is called with '{}', which is not read.", layer.name, layer.type, key));
    }
    for (const char* key : {"value", "key", "initial_state"})  // in the order in which they follow the first
      if (const Json& v = named.is_object() ? member(named, key) : Json();
          !v.is_null() && !collect(layers, v, xs, layer))
        return false;
    layer.calls.push_back(call(layer, xs));
    return true;
  }

  std::vector<Symbol> named_symbols(std::vector<Made>& layers, const Json& list) {
    std::vector<Symbol> out;
    if (!list.is_array() || list.empty()) context_.fail("config.json is damaged: a model without inputs or outputs.");
    if (list[0].is_string()) {  // one alone may stand without a list
      if (const Symbol* s = find(layers, list)) out.push_back(*s);
    } else {
      for (auto& history : list)
        if (const Symbol* s = find(layers, history)) out.push_back(*s);
    }
    if (out.empty()) context_.fail("config.json is damaged: a model without inputs or outputs.");
    return out;
  }

  static bool causal(const Json& nodes) {
    for (auto& node : nodes)
      if (node.is_object() && node.contains("kwargs") && node["kwargs"].is_object() &&
          node["kwargs"].value("use_causal_mask", Json()) == true)
        return true;
    return false;
  }

  nn::Functional functional(const Json& config, const std::string& prefix, int depth) {
    const Json& list = member(config, "layers");
    if (!list.is_array() || list.empty()) context_.fail("config.json is damaged: a model without layers.");
    KerasCounter counter;
    std::vector<Made> layers;
    for (auto& item : list) {
      const Json& nodes = member(item, "inbound_nodes");
      layers.push_back(
          make(item, prefix + "layers/" + counter.next(text_of(item, "class_name")), depth, causal(nodes)));
      Made& made = layers.back();
      if (made.layer) continue;
      const Json& settings = member(item, "config");
      made.calls = {{input(member(settings, "batch_shape"), member(settings, "dtype"), made.name)}};
    }
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& made : layers) {
        const Json& nodes = member(*made.json, "inbound_nodes");
        while (made.layer && nodes.is_array() && made.calls.size() < nodes.size() &&
               call_next(layers, made, nodes[made.calls.size()]))
          moved = true;
      }
    }
    for (auto& made : layers) {
      if (made.calls.empty())
        context_.fail(fmt::format("layer '{}' (a {}) waits for a tensor that nothing gives.", made.name, made.type));
      add_weights(made);
    }
    return finish(named_symbols(layers, member(config, "input_layers")),
                  named_symbols(layers, member(config, "output_layers")), config, "Functional");
  }

  const FileContext& context_;
  const formats::LoadKerasOptions& options_;
  std::int64_t limit_;
};

// What goes wrong with a file is a FileError, whatever found it.
template <class F>
auto in_one_line(const FileContext& context, F f) {
  try {
    return f();
  } catch (const Json::exception&) {
    context.fail("config.json is damaged.");
  } catch (const FileError&) {
    throw;
  } catch (const OutOfMemoryError&) {
    throw;
  } catch (const Error& e) {
    context.fail(without_place(e));
  }
}

// Has the model of `config` these weights? A size of None counts as any, for no weight may depend on it.
void check_same(const FileContext& context, const Json& config, const KerasWeights& weights, std::int64_t elements) {
  const formats::LoadKerasOptions options{.unknown_size = 64};
  Builder builder(context, options, elements + 1);
  builder.model(config, "", 0);
  std::map<std::string, Shape> there;
  for (auto& [path, variable] : builder.weights.variables) there[path] = variable.shape();
  for (auto& [path, variable] : weights.variables) {
    const auto it = there.find(path);
    if (it == there.end() || it->second != variable.shape())
      context.fail(fmt::format("its model has no '{}' {}; '{}' of this one is that.", path, variable.shape().str(),
                               variable.name()));
    there.erase(it);
  }
  if (!there.empty())
    context.fail(fmt::format("its model has '{}', and this one nothing like it.", there.begin()->first));
}

}  // namespace
}  // namespace tapir::detail

namespace tapir::formats {

nn::Functional load_keras(const std::string& path, const LoadKerasOptions& options, Where where) {
  CallSite site(where);
  const detail::FileContext context{"load_keras", path};
  const detail::Archive archive = detail::read_archive(context);
  const io::NamedTensors values = detail::read_hdf5(context, archive.weights);
  std::int64_t elements = 1;  // a size may be 1 where there are no weights
  for (auto& [name, x] : values) elements += x.size();
  return detail::in_one_line(context, [&] {
    detail::Builder builder(context, options, elements);
    nn::Functional model = builder.model(detail::parse_config(context, archive.config), "", 0);
    detail::assign_keras(context, builder.weights, values);
    return model;
  });
}

void save_keras(const std::string& path, const nn::Model& model, const std::string& original, Where where) {
  CallSite site(where);
  const detail::FileContext context{"save_keras", original};
  detail::KerasWeights weights;
  detail::add_keras_model(weights, model, "");
  const detail::Archive archive = detail::read_archive(context);
  const std::string config = detail::in_one_line(context, [&] {
    detail::Json json = detail::parse_config(context, archive.config);
    detail::check_same(context, json, weights, model.count_params());
    json.erase("compile_config");
    return json.dump();
  });
  const std::string bytes = detail::make_keras_weights(context, weights);
  detail::OutputFile out({"save_keras", path});
  detail::ZipWriter zip(out);
  auto add = [&](const char* name, const std::string& text) { zip.add(name, {{text.data(), text.size()}}, false); };
  add("metadata.json", archive.metadata);
  add("config.json", config);
  add("model.weights.h5", bytes);
  zip.finish();
  out.commit();
}

}  // namespace tapir::formats
