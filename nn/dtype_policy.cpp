#include <tapir/nn/dtype_policy.h>
#include <tapir/nn/names.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/variable.h>

#include <atomic>
#include <cstring>
#include <utility>

namespace tapir::nn {
namespace {

constexpr std::pair<const char*, DType> table[] = {
    {"float32", DType::f32}, {"mixed_bfloat16", DType::bf16}, {"mixed_float16", DType::f16}};

constexpr std::uint8_t kNone = 255;
std::atomic<std::uint8_t> of_process{kNone};
thread_local constinit std::uint8_t of_scope = kNone;
thread_local constinit DType reads = DType::f32;

Tensor as_read(const Tensor& value) { return value.dtype() == DType::f32 ? astype(value, reads) : value; }

std::uint8_t given() { return of_scope != kNone ? of_scope : of_process.load(std::memory_order_relaxed); }

const char* name_of_policy(DType compute) {
  for (auto& [name, dtype] : table)
    if (dtype == compute) return name;
  return table[0].first;
}

}  // namespace

DTypePolicy::DTypePolicy(const char* given_name, Where where) {
  CallSite site(where);
  const char* wanted = detail::text_of(given_name);
  for (auto& [name, dtype] : table)
    if (std::strcmp(name, wanted) == 0) {
      compute_ = dtype;
      return;
    }
  detail::unknown_name("dtype policy", wanted, {table[0].first, table[1].first, table[2].first});
}
const char* DTypePolicy::name() const { return name_of_policy(compute_); }

void set_dtype_policy(const DTypePolicy& policy) {
  of_process.store(std::uint8_t(policy.compute_dtype()), std::memory_order_relaxed);
}
DTypePolicy dtype_policy() { return name_of_policy(given() == kNone ? DType::f32 : DType(given())); }

DTypePolicyScope::DTypePolicyScope(const DTypePolicy& policy)
    : outer_(std::exchange(of_scope, std::uint8_t(policy.compute_dtype()))) {}
DTypePolicyScope::~DTypePolicyScope() { of_scope = outer_; }

namespace detail {

bool dtype_policy_given() { return given() != kNone; }

Autocast::Autocast(DType dtype) : outer_(std::exchange(reads, dtype)) {
  tapir::detail::variable_cast() = dtype == DType::f32 ? nullptr : as_read;
}
Autocast::~Autocast() {
  reads = outer_;
  tapir::detail::variable_cast() = outer_ == DType::f32 ? nullptr : as_read;
}
DType autocast_dtype() { return reads; }

}  // namespace detail
}  // namespace tapir::nn
