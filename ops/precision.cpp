#include <tapir/ops/precision.h>

#include <fmt/format.h>

#include <atomic>

namespace tapir {

static std::atomic<Precision> of_process{Precision::highest};
static constexpr std::uint8_t kNone = 255;
static thread_local constinit std::uint8_t of_scope = kNone;

const char* name_of(Precision p) {
  return p == Precision::high ? "high" : p == Precision::medium ? "medium" : "highest";
}

Precision precision_of(const std::string& word, Where where) {
  for (Precision p : {Precision::highest, Precision::high, Precision::medium})
    if (word == name_of(p)) return p;
  CallSite site(where);
  throw UsageError(fmt::format("precision: \"{}\" is not known. Say highest, high or medium.", word));
}

void set_matmul_precision(Precision p) { of_process.store(p, std::memory_order_relaxed); }
void set_matmul_precision(const std::string& word, Where where) { set_matmul_precision(precision_of(word, where)); }
Precision matmul_precision() {
  return of_scope != kNone ? Precision(of_scope) : of_process.load(std::memory_order_relaxed);
}

PrecisionScope::PrecisionScope(Precision p) : outer_(of_scope) { of_scope = std::uint8_t(p); }
PrecisionScope::PrecisionScope(const std::string& word, Where where) : PrecisionScope(precision_of(word, where)) {}
PrecisionScope::~PrecisionScope() { of_scope = outer_; }

}  // namespace tapir
