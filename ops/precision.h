// How exactly products of f32 numbers are made, in the user's three words.
#pragma once
#include <tapir/tensor/error.h>

#include <cstdint>
#include <string>

namespace tapir {

/// What convolutions, in all directions, and matrix products of f32 tensors may do for speed; other ops and dtypes are
/// not concerned. It is a permission: where the machine has no products of bf16 numbers (AMX, AVX512-BF16), or they are
/// not expected to pay, f32 is used, and explain() and conv2d_plan() say so. Errors are relative L2 ones against f64 on
/// normal data. An operand of 3.396e38 and more counts as an infinity in bf16, and `high` may make NaN of an infinity.
enum class Precision : std::uint8_t {
  highest,  ///< products and sums in f32: the default. At most 5e-6.
  high,     ///< operands are split into two bf16 numbers each; three products of those, summed in f32. At most 2e-5.
  medium,   ///< operands are rounded to bf16; their products are summed in f32. At most 1e-2.
};
/// "highest", "high", "medium"
const char* name_of(Precision precision);
/// The other way round. Throws UsageError for other words.
Precision precision_of(const std::string& word, Where where = Where::current());

/// From now on, convolutions and matrix products take this precision, on all threads, where neither a scope nor their
/// options name one. It is taken when the op is called: gradients keep what the forward call had, and so do traces. A
/// function() that is called with another precision than before is traced anew.
void set_matmul_precision(Precision precision);
void set_matmul_precision(const std::string& word, Where where = Where::current());
/// What a call on this thread would take: of the innermost PrecisionScope, else of set_matmul_precision().
Precision matmul_precision();

/// While it lives, calls on this thread take this precision where their options name none. Scopes nest.
class PrecisionScope {
 public:
  explicit PrecisionScope(Precision precision);
  explicit PrecisionScope(const std::string& word, Where where = Where::current());
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  std::uint8_t outer_;
};

/// What becomes of it on this machine: "medium: bf16 products by AMX, f32 sums", or "medium: this CPU has no bf16
/// products, f32 is used".
std::string explain(Precision precision);

}  // namespace tapir
