// Element types: names, sizes, the promotion table, conversions of halves bit by bit, casts between all pairs of
// dtypes.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

using namespace tapir;

namespace {

constexpr DType all_dtypes[] = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8,
                                DType::u8,  DType::i16, DType::i32, DType::i64,  DType::boolean};

// A 16-bit format by its definition, in f64: what each pattern is worth, and the pattern nearest to a number.
struct HalfFormat {
  int fraction_bits, bias;
  std::uint16_t infinity;
  std::vector<double> magnitudes;  // of the patterns 0, 1, ... up to infinity's, which stands for the next power of two

  HalfFormat(int fraction, int bias, std::uint16_t inf) : fraction_bits(fraction), bias(bias), infinity(inf) {
    for (int p = 0; p <= inf; ++p) {
      int exponent = p >> fraction, significand = p & ((1 << fraction) - 1);
      magnitudes.push_back(exponent == 0 ? std::ldexp(significand, 1 - bias - fraction)
                                         : std::ldexp(significand + (1 << fraction), exponent - bias - fraction));
    }
  }
  bool is_nan(std::uint16_t bits) const { return (bits & 0x7fff) > infinity; }
  double value(std::uint16_t bits) const {
    int p = bits & 0x7fff;
    double m = p > infinity ? NAN : p == infinity ? INFINITY : magnitudes[std::size_t(p)];
    return bits & 0x8000 ? -m : m;
  }
  std::uint16_t nearest(long double v) const {  // to even; not for NaN
    long double size = std::fabs(v);
    auto above = std::lower_bound(magnitudes.begin(), magnitudes.end(), size);
    auto p = std::uint16_t(above - magnitudes.begin());
    if (above == magnitudes.end()) p = infinity;
    else if (p > 0) {
      long double up = *above - size, down = size - *(above - 1);
      if (down < up || (down == up && p % 2 == 1)) --p;
    }
    return std::uint16_t(p | (std::signbit(v) ? 0x8000 : 0));
  }
};

const HalfFormat& format_of(DType d) {
  static const HalfFormat f16(10, 15, 0x7c00), bf16(7, 127, 0x7f80);
  return d == DType::f16 ? f16 : bf16;
}

std::vector<std::uint16_t> bits_of(const Tensor& half) {
  const auto* p = reinterpret_cast<const std::uint16_t*>(half.data<std::byte>());
  return {p, p + half.size()};
}

// Compares a half tensor with the patterns nearest to `in`, and reports the first that differs.
template <class T>
void check_nearest(const std::vector<T>& in, DType half) {
  const auto got = bits_of(Tensor::from_vector(in).astype(half));
  const HalfFormat& format = format_of(half);
  int wrong = 0;
  for (std::size_t i = 0; i < in.size() && wrong < 5; ++i) {
    bool nan = std::isnan((long double)(in[i]));
    if (nan ? format.is_nan(got[i]) : got[i] == format.nearest((long double)(in[i]))) continue;
    ++wrong;
    FAIL_CHECK(std::string(name_of(dtype_of<T>()))
               << " " << (long double)(in[i]) << " to " << std::string(name_of(half)) << ": " << got[i]);
  }
}

// Every midpoint between neighbouring halves, and the numbers on both sides of it.
template <class T>
std::vector<T> midpoints(DType half) {
  std::vector<T> out;
  const auto& m = format_of(half).magnitudes;
  const T inf = std::numeric_limits<T>::infinity();
  for (std::size_t i = 0; i + 1 < m.size(); ++i) {
    T middle = T(m[i] + (m[i + 1] - m[i]) / 2);
    for (T v : {middle, std::nextafter(middle, inf), std::nextafter(middle, T(0)), -middle}) out.push_back(v);
  }
  return out;
}

}  // namespace

TEST_CASE("names and sizes") {
  const char* names[] = {"f32", "f64", "f16", "bf16", "i8", "u8", "i16", "i32", "i64", "bool"};
  const std::size_t sizes[] = {4, 8, 2, 2, 1, 1, 2, 4, 8, 1};
  static_assert(std::size(all_dtypes) == dtype_count);
  for (int i = 0; i < dtype_count; ++i) {
    CHECK(std::string(name_of(all_dtypes[i])) == names[i]);
    CHECK(size_of(all_dtypes[i]) == sizes[i]);
    CHECK(is_floating(all_dtypes[i]) == (i < 4));
    CHECK(is_half(all_dtypes[i]) == (i == 2 || i == 3));
    CHECK(is_integer(all_dtypes[i]) == (i >= 4 && i < 9));
    visit_dtype(all_dtypes[i], [&](auto zero) {
      CHECK(sizeof(zero) == sizes[i]);
      CHECK(dtype_of<decltype(zero)>() == all_dtypes[i]);
    });
  }
}

TEST_CASE("the promotion table of the array API standard, with the halves") {
  // Rows and columns in the order of `all_dtypes`; - where the standard has no entry.
  const char* table[10][10] = {
      {"f32", "f64", "f32", "f32", "-", "-", "-", "-", "-", "-"},
      {"f64", "f64", "f64", "f64", "-", "-", "-", "-", "-", "-"},
      {"f32", "f64", "f16", "f32", "-", "-", "-", "-", "-", "-"},
      {"f32", "f64", "f32", "bf16", "-", "-", "-", "-", "-", "-"},
      {"-", "-", "-", "-", "i8", "i16", "i16", "i32", "i64", "-"},
      {"-", "-", "-", "-", "i16", "u8", "i16", "i32", "i64", "-"},
      {"-", "-", "-", "-", "i16", "i16", "i16", "i32", "i64", "-"},
      {"-", "-", "-", "-", "i32", "i32", "i32", "i32", "i64", "-"},
      {"-", "-", "-", "-", "i64", "i64", "i64", "i64", "i64", "-"},
      {"-", "-", "-", "-", "-", "-", "-", "-", "-", "bool"},
  };
  for (int i = 0; i < 10; ++i)
    for (int j = 0; j < 10; ++j) {
      CAPTURE(name_of(all_dtypes[i]));
      CAPTURE(name_of(all_dtypes[j]));
      DType out = DType::boolean;
      const bool defined = promote(all_dtypes[i], all_dtypes[j], out);
      CHECK(std::string(defined ? name_of(out) : "-") == table[i][j]);
      Tensor a = ones({3}, all_dtypes[i]), b = ones({3}, all_dtypes[j]), yes = ones({3}, DType::boolean);
      if (defined) CHECK(where(yes, a, b).dtype() == out);
      else CHECK_THROWS_AS(where(yes, a, b), DTypeError);
    }
}

TEST_CASE("all 65536 patterns of f16 and bf16 widen to their value and come back") {
  for (DType d : {DType::f16, DType::bf16}) {
    std::vector<std::uint16_t> patterns(65536);
    for (std::size_t i = 0; i < patterns.size(); ++i) patterns[i] = std::uint16_t(i);
    Tensor halves = Tensor::empty({65536}, d);
    std::copy(patterns.begin(), patterns.end(), halves.mutable_data<std::uint16_t>());
    auto f32 = halves.astype(DType::f32).to_vector<float>();
    auto f64 = halves.astype(DType::f64).to_vector<double>();
    auto back = bits_of(halves.astype(DType::f32).astype(d)), back64 = bits_of(halves.astype(DType::f64).astype(d));
    int wrong = 0;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      double v = format_of(d).value(patterns[i]);
      float scalar =
          d == DType::f16 ? float(std::bit_cast<float16>(patterns[i])) : float(std::bit_cast<bfloat16>(patterns[i]));
      if (std::isnan(v)) {
        wrong += !std::isnan(f32[i]) + !std::isnan(f64[i]) + !std::isnan(scalar);
        wrong += !format_of(d).is_nan(back[i]) + !format_of(d).is_nan(back64[i]);
        continue;
      }
      wrong += std::bit_cast<std::uint32_t>(f32[i]) != std::bit_cast<std::uint32_t>(float(v));
      wrong += std::bit_cast<std::uint64_t>(f64[i]) != std::bit_cast<std::uint64_t>(v);
      wrong += std::bit_cast<std::uint32_t>(scalar) != std::bit_cast<std::uint32_t>(float(v));
      wrong += (back[i] != patterns[i]) + (back64[i] != patterns[i]);
    }
    CHECK_MESSAGE(wrong == 0, name_of(d));
  }
}

TEST_CASE("to halves: round to nearest even, once") {
  for (DType d : {DType::f16, DType::bf16}) {
    check_nearest(midpoints<float>(d), d);
    check_nearest(midpoints<double>(d), d);
    std::mt19937_64 bits(7);
    std::vector<float> f32;
    std::vector<double> f64;
    std::vector<std::int64_t> i64;
    std::vector<std::int32_t> i32;
    for (int i = 0; i < 200'001; ++i) {  // odd: the end of the last register too
      f32.push_back(std::bit_cast<float>(std::uint32_t(bits())));
      f64.push_back(std::ldexp(double(bits()), int(bits() % 60) - 90));
      i64.push_back(std::int64_t(bits()) >> (bits() % 63));
      i32.push_back(std::int32_t(bits()) >> (bits() % 31));
    }
    // Where rounding to f32 (or, for i64, to f64) first makes a tie of what is none.
    for (int e = 12; e < 62; ++e)
      for (std::int64_t near : {-1, 0, 1}) {
        std::int64_t one = 1, unit = one << e;
        for (int k = 1; k < 9; ++k)
          i64.push_back(unit + (unit >> k) + near), i64.push_back(unit + 3 * (unit >> k) + near);
      }
    for (std::int64_t v : i64)
      if (v == std::int32_t(v)) i32.push_back(std::int32_t(v));
    check_nearest(f32, d);
    check_nearest(f64, d);
    check_nearest(i64, d);
    check_nearest(i32, d);
    check_nearest(std::vector<float>{65519.996f, 65520, -65520, 65536, 3.4e38f, -3.4e38f, 1e-45f, -0.0f, INFINITY,
                                     -INFINITY, NAN},
                  d);
  }
  CHECK(float16(65520.0f).bits == 0x7c00);
  CHECK(float16(65519.996f).bits == 0x7bff);
  CHECK(float(float16(0x1p-24f)) == 0x1p-24f);
  CHECK(float16(0x1p-25f).bits == 0);
  CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80);
}

namespace {

// What a cast of `v` to T gives, by the rules in ops/shaping.h.
template <class T>
T cast_by_rule(long double v) {
  if constexpr (std::is_same_v<T, bool>) return v != 0;
  else if constexpr (std::is_class_v<T>) {
    constexpr DType d = dtype_of<T>();
    return std::bit_cast<T>(std::isnan(v) ? std::uint16_t(format_of(d).infinity + 1) : format_of(d).nearest(v));
  } else if constexpr (std::is_floating_point_v<T>) return T(v);
  else {
    if (std::isnan(v)) return 0;
    if (v <= (long double)(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
    if (v >= (long double)(std::numeric_limits<T>::max())) return std::numeric_limits<T>::max();
    return T(v);
  }
}
template <class T>
bool same(T a, T b) {
  if constexpr (std::is_class_v<T>) return a.bits == b.bits || (float(a) != float(a) && float(b) != float(b));
  else return a == b || (a != a && b != b);
}

// Numbers of every size and sign that T has: its limits, powers of two and their neighbours, special values.
template <class T>
std::vector<T> samples() {
  std::vector<T> out{T(0), T(1)};
  if constexpr (std::is_same_v<T, bool>) return out;
  else if constexpr (std::is_integral_v<T>) {
    using L = std::numeric_limits<T>;
    for (T v : {L::min(), L::max(), T(L::min() + 1), T(L::max() - 1)}) out.push_back(v);
    for (int b = 0; b < int(8 * sizeof(T)) - 1; ++b)
      for (int d = -1; d <= 1; ++d) out.push_back(T((T(1) << b) + d)), out.push_back(T(-(T(1) << b) + d));
    return out;
  } else {
    for (float v : {0.5f, 1.5f, 2.5f, 0.999f, 1e-7f, 1e-40f, 3.3e4f, 1e10f, 3e38f, INFINITY, NAN, 0.0f})
      out.push_back(T(v)), out.push_back(T(-v));
    for (int b = 0; b < 66; ++b)
      for (float d : {-1.0f, -0.5f, 0.0f, 0.5f, 1.0f}) {
        float v = std::ldexp(1.0f, b) + d;
        out.push_back(T(v)), out.push_back(T(-v));
      }
    if constexpr (sizeof(T) == 8)
      for (double v :
           {1e300, 4e-320, 9223372036854774784.0, -9223372036854775808.0, 2147483647.5, -2147483648.5, 1 + 0x1p-30})
        out.push_back(v), out.push_back(-v);
    return out;
  }
}

}  // namespace

TEST_CASE("casts between all pairs of dtypes") {
  for (DType from : all_dtypes)
    for (DType to : all_dtypes)
      visit_dtype(from, [&](auto f) {
        visit_dtype(to, [&](auto t) {
          using F = decltype(f);
          using T = decltype(t);
          std::vector<F> in = samples<F>();
          while (in.size() < 70) in.insert(in.end(), in.begin(), in.end());  // full registers and a rest
          Tensor x = Tensor::from_vector(in);
          auto out = x.astype(to).to_vector<T>();
          for (std::size_t i = 0; i < in.size(); ++i) {
            F v = in[i];
            T expected;
            // From integer to integer the low bits stay; halves are exact as floats.
            if constexpr (std::is_integral_v<F> && std::is_integral_v<T> && !std::is_same_v<T, bool>) expected = T(v);
            else if constexpr (std::is_class_v<F>) expected = cast_by_rule<T>(float(v));
            else expected = cast_by_rule<T>(v);
            CHECK_MESSAGE(same<T>(out[i], expected), name_of(from), " to ", name_of(to), ", element ", i);
          }
        });
      });
}

TEST_CASE("floats out of range saturate as integers, NaN is 0, integers keep their low bits") {
  Tensor x = Tensor::from_vector(std::vector<float>{-1.9f, 300.7f, -1e20f, 1e20f, INFINITY, -INFINITY, NAN});
  CHECK(x.astype(DType::u8).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{0, 255, 0, 255, 255, 0, 0});
  CHECK(x.astype(DType::i8).to_vector<std::int8_t>() == std::vector<std::int8_t>{-1, 127, -128, 127, 127, -128, 0});
  CHECK(x.astype(DType::i32).to_vector<std::int32_t>() ==
        std::vector<std::int32_t>{-1, 300, INT32_MIN, INT32_MAX, INT32_MAX, INT32_MIN, 0});
  CHECK(x.astype(DType::i64).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{-1, 300, INT64_MIN, INT64_MAX, INT64_MAX, INT64_MIN, 0});
  CHECK(x.astype(DType::boolean).to_vector<bool>() == std::vector<bool>(7, true));
  Tensor n = Tensor::from_vector(std::vector<std::int32_t>{300, -1, 256, 65536});
  CHECK(n.astype(DType::u8).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{44, 255, 0, 0});
  CHECK(n.astype(DType::i8).to_vector<std::int8_t>() == std::vector<std::int8_t>{44, -1, 0, 0});
  CHECK(n.astype(DType::boolean).to_vector<bool>() == std::vector<bool>{true, true, true, true});
}

TEST_CASE("astype of views, and to the same dtype") {
  std::vector<double> v(7 * 9 * 5);
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = double(i % 101) - 50 + 0.25;
  for (DType from : all_dtypes)
    for (DType to : all_dtypes) {
      CAPTURE(name_of(from));
      CAPTURE(name_of(to));
      Tensor x = Tensor::from_vector(v, {7, 9, 5}).astype(from);
      const Tensor views[] = {permute_dims(x, {2, 0, 1}), x(Slice(1, 6, 2), Slice(none, none, -1)), x(ellipsis, 2),
                              broadcast_to(x(Slice(), Slice(0, 1)), {3, 7, 9, 5}), x[Slice(0, 0)]};
      for (const Tensor& view : views) {
        Tensor a = view.astype(to), b = contiguous(view).astype(to);
        CHECK(a.shape() == view.shape());
        CHECK(a.dtype() == to);
        Tensor dense = contiguous(a);
        CHECK(std::equal(b.data<std::byte>(), b.data<std::byte>() + b.size() * std::int64_t(size_of(to)),
                         dense.data<std::byte>()));
      }
      CHECK((x.astype(to).data<std::byte>() == x.data<std::byte>()) == (from == to));
    }
}
