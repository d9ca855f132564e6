// Integers and bool: every function on all pairs of 8-bit numbers and on the extremes of the others, against wide
// integers.
#include <doctest/doctest.h>
#include <tapir/test/ops/golden.h>

using namespace tapir;

namespace {

using Wide = __int128;

struct IntegerRow {
  const char* name;
  int arity;
  Tensor (*run)(const Tensor& a, const Tensor& b);
  Wide (*reference)(Wide a, Wide b, int bits);  // the result wraps to the dtype
};

Wide floored(Wide a, Wide b) { return b == 0 ? 0 : a / b - (a % b != 0 && (a < 0) != (b < 0)); }

Wide power(Wide a, Wide b) {
  if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  unsigned __int128 r = 1, base = static_cast<unsigned __int128>(a);
  for (; b; b >>= 1, base *= base)
    if (b & 1) r *= base;
  return static_cast<Wide>(r);
}

#define BINARY(f, reference)                                                                                           \
  {                                                                                                                    \
#f, 2, [](const Tensor& a, const Tensor& b) { return f(a, b); },                                                   \
                                                                  []([[maybe_unused]] Wide a, [[maybe_unused]] Wide b, \
                                                                     int) -> Wide { return reference; }                \
  }
#define UNARY(f, reference)                                                                           \
  {                                                                                                   \
#f, 1, [](const Tensor& x, const Tensor&) { return f(x); }, []([[maybe_unused]] Wide a, Wide,     \
                                                                   int) -> Wide { return reference; } \
  }

const std::vector<IntegerRow> integer_rows = {
    BINARY(add, a + b),
    BINARY(subtract, a - b),
    BINARY(multiply, a* b),
    BINARY(maximum, std::max(a, b)),
    BINARY(minimum, std::min(a, b)),
    BINARY(floor_divide, floored(a, b)),
    BINARY(remainder, b == 0 ? 0 : a - b * floored(a, b)),
    BINARY(pow, power(a, b)),
    {"squared_difference", 2, [](const Tensor& a, const Tensor& b) { return squared_difference(a, b); },
     [](Wide a, Wide b, int) -> Wide { return power(a - b, 2); }},
    {"clip", 2, [](const Tensor& a, const Tensor& b) { return clip(a, b, 100); },
     [](Wide a, Wide b, int) -> Wide { return std::min<Wide>(std::max(a, b), 100); }},
    BINARY(bitwise_and, a& b),
    BINARY(bitwise_or, a | b),
    BINARY(bitwise_xor, a ^ b),
    {"bitwise_left_shift", 2, [](const Tensor& a, const Tensor& b) { return bitwise_left_shift(a, b); },
     [](Wide a, Wide b, int bits) -> Wide { return b < 0 || b >= bits ? 0 : power(2, b) * a; }},
    {"bitwise_right_shift", 2, [](const Tensor& a, const Tensor& b) { return bitwise_right_shift(a, b); },
     [](Wide a, Wide b, int bits) -> Wide { return a >> int(b < 0 || b >= bits ? 64 : b); }},
    UNARY(negative, -a),
    UNARY(abs, a < 0 ? -a : a),
    UNARY(sign, (a > 0) - (a < 0)),
    UNARY(square, a* a),
    UNARY(positive, a),
    UNARY(floor, a),
    UNARY(ceil, a),
    UNARY(round, a),
    UNARY(trunc, a),
    UNARY(bitwise_invert, ~a),
    UNARY(relu, std::max<Wide>(a, 0)),
    UNARY(relu6, std::min<Wide>(std::max<Wide>(a, 0), 6)),
};
const std::vector<IntegerRow> comparison_rows = {
    BINARY(equal, a == b),  BINARY(not_equal, a != b),     BINARY(less, a < b), BINARY(less_equal, a <= b),
    BINARY(greater, a > b), BINARY(greater_equal, a >= b), UNARY(isnan, 0),     UNARY(isinf, 0),
    UNARY(isfinite, 1),
};
#undef UNARY
#undef BINARY

// All 8-bit numbers; of wider types the limits, powers of two and their neighbours.
template <class T>
std::vector<T> samples() {
  std::vector<T> out;
  using L = std::numeric_limits<T>;
  if (sizeof(T) == 1) {
    for (int v = L::min(); v <= L::max(); ++v) out.push_back(T(v));
    return out;
  }
  for (int d = 0; d < 3; ++d) out.push_back(T(L::min() + d)), out.push_back(T(L::max() - d));
  for (int b = 0; b < int(8 * sizeof(T)) - 1; b += 1 + b / 12)
    for (int d = -1; d <= 1; ++d) out.push_back(T((T(1) << b) + d)), out.push_back(T(-(T(1) << b) + d));
  for (int v : {0, 3, -3, 7, -7, 31, 32, 33, 63, 64, 65, 100, -100}) out.push_back(T(v));
  return out;
}

template <class T, class Result>
void check_row(const IntegerRow& row) {
  std::vector<T> a, b;
  for (T v : samples<T>())
    for (T w : samples<T>()) a.push_back(v), b.push_back(w);
  auto got = row.run(Tensor::from_vector(a), Tensor::from_vector(b)).template to_vector<Result>();
  int wrong = 0;
  for (std::size_t i = 0; i < a.size() && wrong < 3; ++i) {
    auto expected = Result(row.reference(Wide(a[i]), Wide(b[i]), int(8 * sizeof(T))));
    if (got[i] == expected) continue;
    ++wrong;
    FAIL_CHECK(std::string(row.name) << " " << std::string(name_of(dtype_of<T>())) << ": " << (long long)a[i] << ", "
                                     << (long long)b[i] << ": " << (long long)got[i] << ", not "
                                     << (long long)expected);
  }
}

}  // namespace

TEST_CASE("integers: wrap around, divide as Python does, by zero too, shift out") {
  for (DType d : {DType::i8, DType::u8, DType::i16, DType::i32, DType::i64})
    visit_dtype(d, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (std::is_integral_v<T>) {
        for (auto& row : integer_rows) check_row<T, T>(row);
        for (auto& row : comparison_rows) check_row<T, bool>(row);
      }
    });
}

TEST_CASE("what integers give at the edges") {
  auto i32 = [](std::vector<std::int32_t> v) { return Tensor::from_vector(v); };
  const std::int32_t low = std::numeric_limits<std::int32_t>::min();
  using Ints = std::vector<std::int32_t>;
  CHECK(floor_divide(i32({7, -7, 7, -7, 5, 0, low}), i32({2, 2, -2, -2, 0, 0, -1})).to_vector<std::int32_t>() ==
        Ints{3, -4, -4, 3, 0, 0, low});
  CHECK(remainder(i32({7, -7, 7, -7, 5, 0, low}), i32({2, 2, -2, -2, 0, 0, -1})).to_vector<std::int32_t>() ==
        Ints{1, 1, -1, -1, 0, 0, 0});
  CHECK(abs(i32({low, -3})).to_vector<std::int32_t>() == Ints{low, 3});
  CHECK((i32({1, -1, -8, -8, 1}) << i32({31, 1, -1, 40, 32})).to_vector<std::int32_t>() == Ints{low, -2, 0, 0, 0});
  CHECK((i32({low, -1, -8, 8, 8}) >> i32({31, 1, 40, -1, 1})).to_vector<std::int32_t>() == Ints{-1, -1, -1, 0, 4});
  CHECK(pow(i32({2, -2, 0, 3, -1, 2}), i32({31, 3, 0, -1, -3, -2})).to_vector<std::int32_t>() ==
        Ints{low, -8, 1, 0, -1, 0});
}

TEST_CASE("bool: logic, bits, comparisons") {
  Tensor a = Tensor::from_vector(std::vector<bool>{false, false, true, true});
  Tensor b = Tensor::from_vector(std::vector<bool>{false, true, false, true});
  using Bools = std::vector<bool>;
  auto list = [](const Tensor& t) { return t.to_vector<bool>(); };
  CHECK(list(a && b) == Bools{false, false, false, true});
  CHECK(list(a || b) == Bools{false, true, true, true});
  CHECK(list(logical_xor(a, b)) == Bools{false, true, true, false});
  CHECK(list(!a) == Bools{true, true, false, false});
  CHECK(list(a & b) == list(a && b));
  CHECK(list(a | b) == list(a || b));
  CHECK(list(a ^ b) == list(logical_xor(a, b)));
  CHECK(list(~a) == list(!a));
  CHECK(list(a == b) == Bools{true, false, false, true});
  CHECK(list(a != b) == Bools{false, true, true, false});
  CHECK(list(a < b) == Bools{false, true, false, false});
  CHECK(list(a >= b) == Bools{true, false, true, true});
  CHECK(list(where(a, b, !b)) == Bools{true, false, false, true});
  golden::check_error<DTypeError>([&] { add(a, b); }, "add: needs numbers, got bool.");
  golden::check_error<DTypeError>([&] { a << b; }, "bitwise_left_shift: needs integers, got bool.");
  golden::check_error<DTypeError>(
      [&] {
        logical_and(tensor({1, 2}), tensor({1, 2}));
      },
      "logical_and: needs bool, got i32.");
  golden::check_error<DTypeError>([&] { tensor({1.5}) & tensor({1.5}); },
                                  "bitwise_and: needs integers or bool, got f32.");
  golden::check_error<DTypeError>(
      [&] {
        exp(tensor({1, 2}));
      },
      "exp: needs a floating dtype, got i32. Cast it first: x.astype(DType::f32).");
}
