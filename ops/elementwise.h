// Elementwise functions. All broadcast as NumPy does, promote dtypes by the Python array API standard (C++ numbers
// adapt to their partner), and give a contiguous result. They throw ShapeError if shapes do not broadcast and
// DTypeError if dtypes do not mix or the function is not defined for them. NaN goes in, NaN comes out, unless said.
#pragma once
#include <tapir/ops/operand.h>

namespace tapir {

// Arithmetic: every numeric dtype; integers wrap around. `/` is for floats.
Tensor operator+(const Operand& a, const Operand& b);
Tensor operator-(const Operand& a, const Operand& b);
Tensor operator*(const Operand& a, const Operand& b);
Tensor operator/(const Operand& a, const Operand& b);
Tensor add(const Operand& a, const Operand& b);
Tensor subtract(const Operand& a, const Operand& b);
Tensor multiply(const Operand& a, const Operand& b);
Tensor divide(const Operand& a, const Operand& b);
/// The larger of the two; NaN if either is NaN. Where they are equal each side gets half of the gradient.
Tensor maximum(const Operand& a, const Operand& b);
Tensor minimum(const Operand& a, const Operand& b);
Tensor negative(const Tensor& x, Where where = Where::current());
Tensor abs(const Tensor& x, Where where = Where::current());
/// -1, 0 or 1; NaN for NaN. Its gradient is zero (undefined on a tape).
Tensor sign(const Tensor& x, Where where = Where::current());
Tensor square(const Tensor& x, Where where = Where::current());

// Functions of real numbers: floating dtypes.
Tensor exp(const Tensor& x, Where where = Where::current());
Tensor log(const Tensor& x, Where where = Where::current());
Tensor sqrt(const Tensor& x, Where where = Where::current());
Tensor sin(const Tensor& x, Where where = Where::current());
Tensor cos(const Tensor& x, Where where = Where::current());
Tensor tanh(const Tensor& x, Where where = Where::current());

// Activations.
Tensor relu(const Tensor& x, Where where = Where::current());
Tensor sigmoid(const Tensor& x, Where where = Where::current());
/// x where x > 0, else alpha * x.
Tensor leaky_relu(const Tensor& x, double alpha = 0.2, Where where = Where::current());

// Comparisons: every dtype; the result is bool. NaN equals nothing.
Tensor equal(const Operand& a, const Operand& b);
Tensor not_equal(const Operand& a, const Operand& b);
Tensor less(const Operand& a, const Operand& b);
Tensor less_equal(const Operand& a, const Operand& b);
Tensor greater(const Operand& a, const Operand& b);
Tensor greater_equal(const Operand& a, const Operand& b);
Tensor operator==(const Operand& a, const Operand& b);
Tensor operator!=(const Operand& a, const Operand& b);
Tensor operator<(const Operand& a, const Operand& b);
Tensor operator<=(const Operand& a, const Operand& b);
Tensor operator>(const Operand& a, const Operand& b);
Tensor operator>=(const Operand& a, const Operand& b);
/// a where `condition` (bool) holds, b elsewhere. All three broadcast.
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);

}  // namespace tapir
