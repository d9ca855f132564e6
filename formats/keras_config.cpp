#include <tapir/formats/keras_config.h>
#include <tapir/ops/create.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <cmath>
#include <cstring>

namespace tapir::detail {

std::string without_place(const Error& e) {
  std::string text = e.what();
  if (const Where* where = CallSite::current(); where && *where->file_name()) {
    const char* slash = std::strrchr(where->file_name(), '/');
    const std::string place = fmt::format("{}:{}: ", slash ? slash + 1 : where->file_name(), where->line());
    if (text.starts_with(place)) text.erase(0, place.size());
  }
  return text;
}

namespace {
// "mixed_float16", or an object that has it.
const Json& policy_name(const Json& policy) {
  static const Json none;
  if (!policy.is_object()) return policy;
  const auto config = policy.find("config");
  return config != policy.end() && config->is_object() && config->contains("name") ? (*config)["name"] : none;
}
}  // namespace

std::optional<nn::DTypePolicy> keras_policy(const Json& config) {
  if (!config.contains("dtype")) return {};
  for (const char* known : {"float32", "mixed_bfloat16", "mixed_float16"})
    if (policy_name(config["dtype"]) == known) return nn::DTypePolicy(known);
  return {};
}

KerasConfig::KerasConfig(const FileContext& context, const Json& layer, std::int64_t limit)
    : context_(context), limit_(limit) {
  if (!layer.is_object() || !layer.contains("class_name") || !layer["class_name"].is_string() ||
      !layer.contains("config") || !layer["config"].is_object())
    context.fail("config.json holds something else where a layer should be.");
  type_ = layer["class_name"].get<std::string>();
  config_ = layer["config"];
  name_ = text("name", "");
  read_ = {"name", "trainable", "dtype", "batch_shape", "batch_input_shape"};
  if (!config_.contains("dtype")) return;
  const Json& name = policy_name(config_["dtype"]);
  if (type_ == "InputLayer" || name.is_null()) return;
  policy_ = keras_policy(config_);
  if (!policy_)
    fail(fmt::format("its dtype policy is {}; float32, mixed_bfloat16 and mixed_float16 are read.", name.dump()));
}

void KerasConfig::fail(const std::string& what) const {
  context_.fail(fmt::format("layer '{}' (a {}): {}", name_, type_, what));
}
void KerasConfig::wrong(const char* key, const char* wanted) const { fail(fmt::format("'{}' is no {}.", key, wanted)); }

bool KerasConfig::has(const char* key) const { return config_.contains(key) && !config_[key].is_null(); }

const Json& KerasConfig::value(const char* key) {
  static const Json none;
  read_.insert(key);
  return config_.contains(key) ? config_[key] : none;
}

std::int64_t KerasConfig::integer(const char* key, std::int64_t otherwise) {
  const Json& v = value(key);
  if (v.is_null()) return otherwise;
  if (v.is_array() && v.size() == 1 && v[0].is_number_integer()) return v[0].get<std::int64_t>();
  if (!v.is_number_integer()) wrong(key, "integer");
  return v.get<std::int64_t>();
}

std::int64_t KerasConfig::size(const char* key) {
  const std::int64_t n = integer(key, 0);
  if (n < 1 || n > limit_) fail(fmt::format("'{}' is {}, which the weights in the file do not fit.", key, n));
  return n;
}

double KerasConfig::number(const char* key, double otherwise) {
  const Json& v = value(key);
  if (v.is_null()) return otherwise;
  if (!v.is_number()) wrong(key, "number");
  return v.get<double>();
}

bool KerasConfig::flag(const char* key, bool otherwise) {
  const Json& v = value(key);
  if (v.is_null()) return otherwise;
  if (!v.is_boolean()) wrong(key, "boolean");
  return v.get<bool>();
}

std::string KerasConfig::text(const char* key, const std::string& otherwise) {
  const Json& v = value(key);
  if (v.is_null()) return otherwise;
  if (!v.is_string()) wrong(key, "text");
  return v.get<std::string>();
}

Shape KerasConfig::integers(const char* key) {
  const Json& v = value(key);
  Shape out;
  auto add = [&](const Json& n) {
    if (!n.is_number_integer() && !n.is_null()) wrong(key, "list of integers");
    out.push_back(n.is_null() ? -1 : n.get<std::int64_t>());
  };
  if (!v.is_array()) return add(v), out;
  if (v.size() > Shape::max_rank) wrong(key, "list of at most 8 integers");
  for (auto& n : v) add(n);
  return out;
}

nn::LayerPadding KerasConfig::padding() {
  const std::string given = text("padding", "valid");
  if (given != "valid" && given != "same" && given != "causal") fail(fmt::format("there is no padding '{}'.", given));
  return nn::LayerPadding(given.c_str());
}

DataFormat KerasConfig::data_format() {
  const std::string given = text("data_format", "channels_last");
  if (given != "channels_last" && given != "channels_first") fail(fmt::format("there is no data_format '{}'.", given));
  return given == "channels_last" ? DataFormat::channels_last : DataFormat::channels_first;
}

std::pair<std::string, Json> KerasConfig::object(const char* key) {
  const Json& v = value(key);
  if (v.is_string()) return {v.get<std::string>(), Json::object()};
  if (!v.is_object() || !v.contains("class_name") || !v["class_name"].is_string()) wrong(key, "object of Keras");
  const std::string type = v["class_name"].get<std::string>();
  const Json config = v.value("config", Json::object());
  if (type == "function" && config.is_string()) return {config.get<std::string>(), Json::object()};
  if (!config.is_object()) wrong(key, "object of Keras");
  return {type, config};
}

nn::ActivationFunction KerasConfig::activation(const char* key) {
  if (!has(key)) return value(key), nn::ActivationFunction();
  return object(key).first;
}

nn::Regularizer KerasConfig::regularizer(const char* key) {
  if (!has(key)) return value(key), nn::Regularizer();
  const auto [type, config] = object(key);
  auto factor = [&, &config = config](const char* name, double otherwise) {
    const Json v = config.value(name, Json(otherwise));
    return v.is_number() ? v.get<double>() : otherwise;
  };
  if (type == "L1" || type == "l1") return nn::regularizers::L1(factor("l1", 0.01));
  if (type == "L2" || type == "l2") return nn::regularizers::L2(factor("l2", 0.01));
  if (type == "L1L2" || type == "l1_l2") return nn::regularizers::L1L2({.l1 = factor("l1", 0), .l2 = factor("l2", 0)});
  fail(fmt::format("'{}' is a {}, which is not read.", key, type));
}

nn::Constraint KerasConfig::constraint(const char* key) {
  if (!has(key)) return value(key), nn::Constraint();
  const auto [type, config] = object(key);
  if (type == "NonNeg" || type == "non_neg") return nn::constraints::NonNeg();
  fail(fmt::format("'{}' is a {}, which is not read.", key, type));
}

nn::Initializer KerasConfig::initializer() const {
  return nn::Initializer([limit = limit_, name = name_](const Shape& shape, std::int64_t) {
    if (shape.size() > limit)
      throw UsageError(
          fmt::format("'{}' would have a weight {}, larger than all weights in the file.", name, shape.str()));
    return zeros(shape);
  });
}

void KerasConfig::check_all_read() const {
  for (auto& [key, v] : config_.items()) {
    // Layers without a choice of formats have the usual one.
    const bool neutral = v.is_null() || v == false || (key == "data_format" && v == "channels_last");
    if (neutral || read_.contains(key) || key.ends_with("_initializer")) continue;
    fail(fmt::format("its setting '{}' = {} is not known here.", key, v.dump().substr(0, 60)));
  }
}

}  // namespace tapir::detail
