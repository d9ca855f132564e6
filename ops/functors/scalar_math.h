// Functions of one number that the C library lacks, for every backend. `static`, so that each instruction set and the
// GPU have their own.
#pragma once
#include <tapir/tensor/host_device.h>

#include <cmath>
#include <cstdint>
#include <limits>

namespace tapir::vmath {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Division that rounds down, as Python and NumPy do: the quotient and the remainder, which has the sign of b. Floats
// are done in double, where quotients below 2^28 are exact; the rest goes through fmod.
template <class T> TAPIR_HD static inline void floor_divmod(T a, T b, T& quotient, T& remainder) {
  if constexpr (sizeof(T) == 4) {
    double q = std::floor(double(a) / double(b));
    if (std::fabs(q) < 0x1p28 && std::isfinite(b)) {
      double r = double(a) - q * double(b);
      if (r != 0 && (r < 0) != (b < 0)) r += double(b), q -= 1;  // the division had rounded up to a whole number
      remainder = r == 0 ? std::copysign(T(0), b) : T(r);
      quotient = q == 0 ? std::copysign(T(0), a / b) : T(q);
      return;
    }
  }
  T r = std::fmod(a, b);
  if (b == 0) {
    quotient = a / b;
    remainder = r;
    return;
  }
  T q = (a - r) / b;
  if (r == 0) r = std::copysign(T(0), b);
  else if ((r < 0) != (b < 0)) r += b, q -= 1;
  T whole = std::floor(q);
  if (q - whole > T(0.5)) whole += 1;
  quotient = q == 0 ? std::copysign(T(0), a / b) : whole;
  remainder = r;
}

// M. J. Wichura, Algorithm AS 241 (PPND16), with q = x / 2 and the tail in 1 - |x|, so that small and large x are exact
// too.
TAPIR_HD static inline double erfinv_of(double x) {
  auto ratio = [](double r, const double(&p)[8], const double(&q)[8]) {
    double n = p[7], d = q[7];
    for (int i = 6; i >= 0; --i) n = n * r + p[i], d = d * r + q[i];
    return n / d;
  };
  constexpr double a[] = {3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
                          45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727};
  constexpr double b[] = {1.0,
                          42.313330701600911252,
                          687.18700749205790830,
                          5394.1960214247511077,
                          21213.794301586595867,
                          39307.895800092710610,
                          28729.085735721942674,
                          5226.4952788528545610};
  constexpr double c[] = {1.42343711074968357734,   4.63033784615654529590,   5.76949722146069140550,
                          3.64784832476320460504,   1.27045825245236838258,   0.241780725177450611770,
                          0.0227238449892691845833, 7.74545014278341407640e-4};
  constexpr double d[] = {1.0,
                          2.05319162663775882187,
                          1.67638483018380384940,
                          0.689767334985100004550,
                          0.148103976427480074590,
                          0.0151986665636164571966,
                          5.47593808499534494600e-4,
                          1.05075007164441684324e-9};
  constexpr double e[] = {6.65790464350110377720,    5.46378491116411436990,   1.78482653991729133580,
                          0.296560571828504891230,   0.0265321895265761230930, 1.24266094738807843860e-3,
                          2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr double f[] = {1.0,
                          0.599832206555887937690,
                          0.136929880922735805310,
                          0.0148753612908506148525,
                          7.86869131145613259100e-4,
                          1.84631831751005468180e-5,
                          1.42151175831644588870e-7,
                          2.04426310338993978564e-15};
  const double size = std::fabs(x), q = 0.5 * x;
  if (size <= 0.85) return 0.70710678118654752440 * q * ratio(0.180625 - q * q, a, b);
  if (size >= 1) return size == 1 ? std::copysign(HUGE_VAL, x) : kNaN;
  if (x != x) return x;
  double r = std::sqrt(-std::log(0.5 * (1 - size)));
  return std::copysign(0.70710678118654752440 * (r <= 5 ? ratio(r - 1.6, c, d) : ratio(r - 5, e, f)), x);
}

// The sum over k >= 0 of (x + k)^-s, x > 0, s > 1: a few terms, then Euler-Maclaurin.
TAPIR_HD static inline double hurwitz_zeta(double s, double x) {
  auto power_of = [s](double v) { return s == 2 ? (1 / v) * (1 / v) : std::pow(v, -s); };
  double sum = 0;
  for (int k = 0; k < 12 && x < 16; ++k, x += 1) sum += power_of(x);
  for (; x < s + 8; x += 1) sum += power_of(x);
  // B_2j / (2j)!
  constexpr double b[] = {1.0 / 12,
                          -1.0 / 720,
                          1.0 / 30240,
                          -1.0 / 1209600,
                          1.0 / 47900160,
                          -691.0 / 1307674368000.0,
                          1.0 / 74724249600.0,
                          -3617.0 / 10670622842880000.0};
  double power = power_of(x), term = s * power / x;
  sum += std::pow(x, 1 - s) / (s - 1) + 0.5 * power;
  for (int j = 0; j < 8; ++j) {
    sum += b[j] * term;
    term *= (s + 2 * j + 1) * (s + 2 * j + 2) / (x * x);
  }
  return sum;
}

// Derivative n (1, 2, ...) of digamma. Poles give infinity for odd n; x < 0 is for n = 1, NaN for others.
TAPIR_HD static inline double polygamma_of(std::int64_t n, double x) {
  constexpr double pi = 3.14159265358979323846;
  if (x <= 0) {
    if (n == 1 && x == std::floor(x)) return HUGE_VAL;
    if (n > 1) return x == 0 && n % 2 == 1 ? HUGE_VAL : kNaN;
    double s = pi / std::sin(pi * (x - std::round(x)));
    return s * s - hurwitz_zeta(2, 1 - x);
  }
  if (x == HUGE_VAL) return 0;
  double zeta = hurwitz_zeta(double(n) + 1, x);
  return (n % 2 ? 1 : -1) * std::tgamma(double(n) + 1) * zeta;
}

// Steps up to 12, then the asymptotic series; below 0 by reflection. NaN at the poles 0, -1, ...
TAPIR_HD static inline double digamma_of(double x) {
  constexpr double pi = 3.14159265358979323846;
  if (x <= 0) {
    if (x == std::floor(x)) return kNaN;
    return digamma_of(1 - x) - pi / std::tan(pi * (x - std::round(x)));
  }
  const double steps = x < 12 ? std::ceil(12 - x) : 0, z = x + steps, y = 1 / (z * z);
  double tail = y * (1.0 / 240 - y * (1.0 / 132 - y * (691.0 / 32760 - y / 12)));
  tail = y * (1.0 / 12 - y * (1.0 / 120 - y * (1.0 / 252 - tail)));
  double sum = std::log(z) - (0.5 / z + tail);
  for (double k = steps - 1; k >= 0; --k) sum -= 1 / (x + k);  // the largest terms last
  return sum;
}

}  // namespace tapir::vmath
