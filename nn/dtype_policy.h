// Mixed precision: in which dtype layers compute, and in which they keep their weights.
#pragma once
#include <tapir/tensor/dtype.h>
#include <tapir/tensor/error.h>

#include <cstdint>
#include <string>

namespace tapir::nn {

/// "float32", "mixed_float16" or "mixed_bfloat16", Keras's names: the latter two compute in halves, and keep weights
/// and what optimizers remember in f32. Throws UsageError for other names.
class DTypePolicy {
 public:
  DTypePolicy(const char* name, Where where = Where::current());
  DTypePolicy(const std::string& name, Where where = Where::current()) : DTypePolicy(name.c_str(), where) {}
  const char* name() const;
  DType compute_dtype() const { return compute_; }
  DType variable_dtype() const { return DType::f32; }
  friend bool operator==(const DTypePolicy&, const DTypePolicy&) = default;

 private:
  DType compute_ = DType::f32;
};

/// What layers that are made from now on, on any thread, compute in; without it, in the dtype of their f32 weights.
/// Layers that are there already keep what they have. As keras.config.set_dtype_policy.
void set_dtype_policy(const DTypePolicy& policy);
/// What a layer would get that this thread made now.
DTypePolicy dtype_policy();

/// While it lives, layers that this thread makes get this policy. Scopes nest.
class DTypePolicyScope {
 public:
  explicit DTypePolicyScope(const DTypePolicy& policy);
  ~DTypePolicyScope();
  DTypePolicyScope(const DTypePolicyScope&) = delete;
  DTypePolicyScope& operator=(const DTypePolicyScope&) = delete;

 private:
  std::uint8_t outer_;
};

namespace detail {

/// Has anybody said what new layers compute in?
bool dtype_policy_given();

/// While it lives, reads of trainable f32 variables on this thread give values in `dtype`, f32: as they are.
class Autocast {
 public:
  explicit Autocast(DType dtype);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  DType outer_;
};
/// That of the innermost Autocast, else f32.
DType autocast_dtype();

}  // namespace detail
}  // namespace tapir::nn
