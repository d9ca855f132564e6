// A layer's settings as Keras writes them. Internal to formats/.
#pragma once
#include <tapir/io/source.h>
#include <tapir/nn/layer_options.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

namespace tapir::detail {

using Json = nlohmann::json;

/// Reads settings by key and knows in the end which ones nobody asked for.
class KerasConfig {
 public:
  /// `limit`: no size of weights may be larger, since the file's weights are not.
  KerasConfig(const FileContext& context, const Json& layer, std::int64_t limit);

  const std::string& type() const { return type_; }
  const std::string& name() const { return name_; }
  std::int64_t limit() const { return limit_; }
  /// Undefined if the file says nothing.
  const std::optional<nn::DTypePolicy>& policy() const { return policy_; }
  const FileContext& context() const { return context_; }

  std::int64_t integer(const char* key, std::int64_t otherwise);
  double number(const char* key, double otherwise);
  bool flag(const char* key, bool otherwise);
  std::string text(const char* key, const std::string& otherwise);
  /// A size of weights: 1 to `limit`.
  std::int64_t size(const char* key);
  /// A list of integers, or one. Null: -1 stands for it.
  Shape integers(const char* key);
  nn::Sizes sizes(const char* key) { return has(key) ? nn::Sizes(integers(key)) : nn::Sizes(1); }
  nn::LayerPadding padding();
  DataFormat data_format();
  nn::ActivationFunction activation(const char* key = "activation");
  nn::Regularizer regularizer(const char* key);
  nn::Constraint constraint(const char* key);
  /// Zeros, for the values come from the file; refuses weights larger than all that the file has.
  nn::Initializer initializer() const;
  const Json& value(const char* key);
  bool has(const char* key) const;

  /// Throws FileError unless all settings that mean something were asked for.
  void check_all_read() const;
  /// "layer 'conv2d' (Conv2D): what"
  [[noreturn]] void fail(const std::string& what) const;

 private:
  [[noreturn]] void wrong(const char* key, const char* wanted) const;
  /// The class and settings of an object, or its name and none.
  std::pair<std::string, Json> object(const char* key);
  const FileContext& context_;
  Json config_;
  std::string type_, name_;
  std::int64_t limit_;
  std::optional<nn::DTypePolicy> policy_;
  std::set<std::string> read_;
};

/// What the settings of a layer or a model say of dtypes; nothing if they say nothing that is known here.
std::optional<nn::DTypePolicy> keras_policy(const Json& config);

/// The layer that is meant. `causal`: of a MultiHeadAttention that is called so.
nn::AnyLayer keras_layer(KerasConfig& config, bool causal);

/// The message of `e` without the place of the call that it begins with.
std::string without_place(const Error& e);

}  // namespace tapir::detail
