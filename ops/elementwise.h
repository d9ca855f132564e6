// Elementwise functions. All broadcast as NumPy does, promote dtypes by the Python array API standard (C++ numbers
// adapt to their partner), and give a contiguous result. They throw ShapeError if shapes do not broadcast and
// DTypeError if dtypes do not mix or the function is not defined for them. NaN goes in, NaN comes out, unless said. How
// near values are to the true ones stands in ops/functors/ (`ulp_f32`, `ulp_f64`) and is tested.
#pragma once
#include <tapir/ops/operand.h>

namespace tapir {

// Operators: `a + b` is add(a, b), and so on; the functions below say what each does.
Tensor operator+(const Operand& a, const Operand& b);
Tensor operator-(const Operand& a, const Operand& b);
Tensor operator-(const Operand& x);
Tensor operator*(const Operand& a, const Operand& b);
Tensor operator/(const Operand& a, const Operand& b);
/// remainder(a, b)
Tensor operator%(const Operand& a, const Operand& b);

// Arithmetic: every numeric dtype; integers wrap around. divide is for floats.
/// a + b, element by element.
Tensor add(const Operand& a, const Operand& b);
/// a - b, element by element.
Tensor subtract(const Operand& a, const Operand& b);
/// a * b, element by element.
Tensor multiply(const Operand& a, const Operand& b);
/// a / b, element by element; floats. For whole numbers see floor_divide, or cast first.
Tensor divide(const Operand& a, const Operand& b);
/// a / b rounded down to a whole number, as in Python. Integers divided by 0 give 0; the smallest one by -1 is itself.
/// Its gradient is zero (undefined on a tape).
Tensor floor_divide(const Operand& a, const Operand& b);
/// a - b * floor_divide(a, b): it has the sign of b, as in Python. Integers by 0 give 0.
Tensor remainder(const Operand& a, const Operand& b);
/// a to the power b. Integers wrap around; a negative exponent gives the true value rounded toward zero (0 for 0). The
/// gradient for b is 0 where a is not positive.
Tensor pow(const Operand& a, const Operand& b);
/// The larger of the two; NaN if either is NaN. Where they are equal each side gets half of the gradient.
Tensor maximum(const Operand& a, const Operand& b);
/// The smaller of the two; otherwise as maximum.
Tensor minimum(const Operand& a, const Operand& b);
/// x limited to [lo, hi]: minimum(maximum(x, lo), hi). On a limit the gradient goes to x, beyond it to the limit.
Tensor clip(const Operand& x, const Operand& lo, const Operand& hi);
/// (a - b)^2
Tensor squared_difference(const Operand& a, const Operand& b);
/// The size of a with the sign of b; floats. The gradient for b is zero.
Tensor copysign(const Operand& a, const Operand& b);
/// The next number of its own dtype after a in the direction of b; floats. No gradient.
Tensor nextafter(const Operand& a, const Operand& b);
/// -x
Tensor negative(const Tensor& x, Where where = Where::current());
/// x itself.
Tensor positive(const Tensor& x, Where where = Where::current());
/// |x|; the smallest integer stays itself. The gradient at 0 is 0.
Tensor abs(const Tensor& x, Where where = Where::current());
/// -1, 0 or 1; NaN for NaN. Its gradient is zero (undefined on a tape), as are those of floor, ceil, round and trunc.
Tensor sign(const Tensor& x, Where where = Where::current());
/// The largest whole number that is not above x.
Tensor floor(const Tensor& x, Where where = Where::current());
/// The smallest whole number that is not below x.
Tensor ceil(const Tensor& x, Where where = Where::current());
/// To the nearest whole number, halves to the even one.
Tensor round(const Tensor& x, Where where = Where::current());
/// Toward zero.
Tensor trunc(const Tensor& x, Where where = Where::current());
/// x * x
Tensor square(const Tensor& x, Where where = Where::current());

// Functions of real numbers: floating dtypes.
/// e to the power x.
Tensor exp(const Tensor& x, Where where = Where::current());
/// 2 to the power x.
Tensor exp2(const Tensor& x, Where where = Where::current());
/// exp(x) - 1, exact near 0.
Tensor expm1(const Tensor& x, Where where = Where::current());
/// The natural logarithm; -infinity at 0, NaN below.
Tensor log(const Tensor& x, Where where = Where::current());
/// The logarithm to base 2; otherwise as log.
Tensor log2(const Tensor& x, Where where = Where::current());
/// The logarithm to base 10; otherwise as log.
Tensor log10(const Tensor& x, Where where = Where::current());
/// log(1 + x), exact near 0.
Tensor log1p(const Tensor& x, Where where = Where::current());
/// The square root; NaN below 0.
Tensor sqrt(const Tensor& x, Where where = Where::current());
/// 1 / sqrt(x)
Tensor rsqrt(const Tensor& x, Where where = Where::current());
/// 1 / x
Tensor reciprocal(const Tensor& x, Where where = Where::current());
/// The sine of x, in radians.
Tensor sin(const Tensor& x, Where where = Where::current());
/// The cosine of x, in radians.
Tensor cos(const Tensor& x, Where where = Where::current());
/// The tangent of x, in radians.
Tensor tan(const Tensor& x, Where where = Where::current());
/// The angle in [-pi/2, pi/2] whose sine is x; NaN beyond [-1, 1].
Tensor asin(const Tensor& x, Where where = Where::current());
/// The angle in [0, pi] whose cosine is x; NaN beyond [-1, 1].
Tensor acos(const Tensor& x, Where where = Where::current());
/// The angle in (-pi/2, pi/2) whose tangent is x.
Tensor atan(const Tensor& x, Where where = Where::current());
/// The hyperbolic sine, (e^x - e^-x) / 2.
Tensor sinh(const Tensor& x, Where where = Where::current());
/// The hyperbolic cosine, (e^x + e^-x) / 2.
Tensor cosh(const Tensor& x, Where where = Where::current());
/// The hyperbolic tangent, sinh(x) / cosh(x).
Tensor tanh(const Tensor& x, Where where = Where::current());
/// The inverse of sinh.
Tensor asinh(const Tensor& x, Where where = Where::current());
/// The inverse of cosh, not negative; NaN below 1.
Tensor acosh(const Tensor& x, Where where = Where::current());
/// The inverse of tanh; infinite at -1 and 1, NaN beyond.
Tensor atanh(const Tensor& x, Where where = Where::current());
/// The angle of the point (x = b, y = a), in (-pi, pi].
Tensor atan2(const Operand& a, const Operand& b);
/// sqrt(a^2 + b^2) without overflow on the way. Its gradient at the origin is 0.
Tensor hypot(const Operand& a, const Operand& b);
/// log(exp(a) + exp(b)) without overflow on the way. Within 4 ULP of the largest of a, b and the result: a result near
/// 0, where a and b are negative, has their absolute error.
Tensor logaddexp(const Operand& a, const Operand& b);
/// 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
Tensor erf(const Tensor& x, Where where = Where::current());
/// 1 - erf(x), exact for large x.
Tensor erfc(const Tensor& x, Where where = Where::current());
/// The inverse of erf; infinite at -1 and 1, NaN beyond. Wichura, Algorithm AS 241, 1988.
Tensor erfinv(const Tensor& x, Where where = Where::current());
/// log |gamma(x)|; infinite at 0, -1, -2, ...
Tensor lgamma(const Tensor& x, Where where = Where::current());
/// The derivative of lgamma; NaN at 0, -1, -2, ... Within 4 ULP (f64: 12) of the result, or of 1 where the
/// result is smaller.
Tensor digamma(const Tensor& x, Where where = Where::current());
/// The derivative of order n >= 1 of digamma (UsageError for n < 1). For x < 0 only n = 1 is defined; others give NaN.
Tensor polygamma(std::int64_t n, const Tensor& x, Where where = Where::current());

// Activations, with Keras's definitions and defaults. floats; relu and relu6 take integers too.
/// maximum(x, 0); gradient 0 at 0.
Tensor relu(const Tensor& x, Where where = Where::current());
/// x limited to [0, 6]; gradient 0 at 0 and 6.
Tensor relu6(const Tensor& x, Where where = Where::current());
/// x where x > 0, else alpha * x.
Tensor leaky_relu(const Tensor& x, double alpha = 0.2, Where where = Where::current());
/// x where x > 0, else alpha * (exp(x) - 1).
Tensor elu(const Tensor& x, double alpha = 1.0, Where where = Where::current());
/// 1.0507 * elu(x, 1.6733). Klambauer et al., 2017.
Tensor selu(const Tensor& x, Where where = Where::current());
struct GeluOptions {
  bool approximate = false;  ///< the form with tanh
};
/// x * Phi(x), Phi the normal distribution function; or 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Hendrycks
/// and Gimpel, 2016.
Tensor gelu(const Tensor& x, GeluOptions options = {}, Where where = Where::current());
/// x * sigmoid(x)
Tensor silu(const Tensor& x, Where where = Where::current());
/// x * tanh(softplus(x))
Tensor mish(const Tensor& x, Where where = Where::current());
/// log(1 + exp(x)), stable for any x.
Tensor softplus(const Tensor& x, Where where = Where::current());
/// x / (1 + |x|)
Tensor softsign(const Tensor& x, Where where = Where::current());
/// 1 / (1 + exp(-x)), stable for any x.
Tensor sigmoid(const Tensor& x, Where where = Where::current());
/// log(sigmoid(x)), stable for any x.
Tensor log_sigmoid(const Tensor& x, Where where = Where::current());
/// relu6(x + 3) / 6
Tensor hard_sigmoid(const Tensor& x, Where where = Where::current());
/// x * hard_sigmoid(x)
Tensor hard_silu(const Tensor& x, Where where = Where::current());

// Comparisons: every dtype; the result is bool. NaN equals nothing.
/// a == b
Tensor equal(const Operand& a, const Operand& b);
/// a != b; true for NaN.
Tensor not_equal(const Operand& a, const Operand& b);
/// a < b
Tensor less(const Operand& a, const Operand& b);
/// a <= b
Tensor less_equal(const Operand& a, const Operand& b);
/// a > b
Tensor greater(const Operand& a, const Operand& b);
/// a >= b
Tensor greater_equal(const Operand& a, const Operand& b);
Tensor operator==(const Operand& a, const Operand& b);
Tensor operator!=(const Operand& a, const Operand& b);
Tensor operator<(const Operand& a, const Operand& b);
Tensor operator<=(const Operand& a, const Operand& b);
Tensor operator>(const Operand& a, const Operand& b);
Tensor operator>=(const Operand& a, const Operand& b);

// Tests: every numeric dtype; the result is bool.
/// Is it not a number? False for integers.
Tensor isnan(const Tensor& x, Where where = Where::current());
/// Is it infinite, of either sign? False for integers.
Tensor isinf(const Tensor& x, Where where = Where::current());
/// Is it neither infinite nor NaN? True for integers.
Tensor isfinite(const Tensor& x, Where where = Where::current());
/// Is the sign bit set? True for -0 too; floats.
Tensor signbit(const Tensor& x, Where where = Where::current());

// A choice: every dtype.
/// a where `condition` (bool) holds, b elsewhere. All three broadcast.
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);

// Logic: bool.
/// Are both true?
Tensor logical_and(const Operand& a, const Operand& b);
/// Is at least one true?
Tensor logical_or(const Operand& a, const Operand& b);
/// Is exactly one true?
Tensor logical_xor(const Operand& a, const Operand& b);
/// Is it false?
Tensor logical_not(const Tensor& x, Where where = Where::current());
// As operators, for bool too: they evaluate both sides.
Tensor operator&&(const Operand& a, const Operand& b);
Tensor operator||(const Operand& a, const Operand& b);
Tensor operator!(const Operand& x);

// Bits: integers and bool; shifts are for integers. Shifting by a negative number or by all bits and more shifts
// everything out: 0, or -1 for a negative number shifted right.
/// The bits that both have.
Tensor bitwise_and(const Operand& a, const Operand& b);
/// The bits that at least one has.
Tensor bitwise_or(const Operand& a, const Operand& b);
/// The bits that exactly one has.
Tensor bitwise_xor(const Operand& a, const Operand& b);
/// All bits turned over; logical_not for bool.
Tensor bitwise_invert(const Tensor& x, Where where = Where::current());
/// a moved left by b bits: a * 2^b, wrapped around. Integers.
Tensor bitwise_left_shift(const Operand& a, const Operand& b);
/// a moved right by b bits: a / 2^b rounded down. Integers.
Tensor bitwise_right_shift(const Operand& a, const Operand& b);
Tensor operator&(const Operand& a, const Operand& b);
Tensor operator|(const Operand& a, const Operand& b);
Tensor operator^(const Operand& a, const Operand& b);
Tensor operator~(const Operand& x);
Tensor operator<<(const Operand& a, const Operand& b);
Tensor operator>>(const Operand& a, const Operand& b);

}  // namespace tapir
