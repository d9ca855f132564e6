// The floating-point elementwise functions: accuracy, the same bits wherever an element stands, halves, special values,
// dtypes. Integers are in elementwise_integers_test.cpp, TensorFlow's values in elementwise_golden_test.cpp.
#include <doctest/doctest.h>
#include <tapir/test/ops/elementwise_table.h>
#include <tapir/test/ops/golden.h>

#include <set>

using namespace elementwise_table;

namespace {

template <class T>
double unit_in_last_place(Real v) {  // of the T nearest to v
  T size = T(std::min(std::fabs(v), Real(std::numeric_limits<T>::max())));
  using L = std::numeric_limits<T>;
  int exponent = size == 0 ? L::min_exponent : std::ilogb(size) + 1;
  return std::ldexp(1.0, std::max(exponent, L::min_exponent) - L::digits);
}

// How many units `got` is from the exact value; infinite if it is another kind of number, NaN or infinity. An infinity
// stands for the power of two beyond the largest number.
template <class T>
double ulps(T got, Real exact, UlpOf of, Real a, Real b) {
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : INFINITY;
  const Real beyond = std::ldexp(Real(1), std::numeric_limits<T>::max_exponent);
  if (std::isinf(got) && std::isinf(exact)) return (got > 0) == (exact > 0) ? 0 : INFINITY;
  if (std::isinf(exact)) return INFINITY;
  if (exact == 0 && got == 0) return 0;
  exact = std::clamp(exact, -beyond, beyond);
  Real scale = std::max(std::fabs(exact), of == UlpOf::normal_result ? 1024 * Real(std::numeric_limits<T>::min()) : 0);
  if (of == UlpOf::one_or_result) scale = std::max(scale, Real(1));
  if (of == UlpOf::inputs_or_result) scale = std::max({scale, std::fabs(a), std::isinf(b) ? Real(0) : std::fabs(b)});
  return double(std::fabs((std::isinf(got) ? std::copysign(beyond, Real(got)) : Real(got)) - exact)) /
         unit_in_last_place<T>(scale);
}

template <class T>
void check_accuracy(const Row& row, double limit) {
  std::vector<T> a = numbers<T>(row.low, row.high, 20000), b;
  if (row.arity == 2) {
    std::vector<T> s = specials<T>(), first;
    for (T v : s)
      for (T w : s) first.push_back(v), b.push_back(w);
    std::vector<T> other = numbers<T>(row.low, row.high, 20000);
    std::shuffle(other.begin(), other.end(), std::mt19937(1));
    a.insert(a.begin(), first.begin(), first.end());
    b.insert(b.end(), other.begin(), other.end());
  } else {
    b = a;
  }
  auto got = row.run(Tensor::from_vector(a), Tensor::from_vector(b)).template to_vector<T>();
  double worst = 0;
  std::size_t at = 0;
  static const std::set<std::string> free_zero = {"maximum", "minimum", "relu",        "relu6",
                                                  "elu",     "selu",    "log_sigmoid", "polygamma"};
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Real exact = row.reference(a[i], b[i]);
    // The sign of a zero, but for those that choose between 0 and -0 or add 0.
    if (!free_zero.count(row.name) && got[i] == 0 && exact == 0)
      CHECK_MESSAGE(std::signbit(got[i]) == std::signbit(exact), std::string(row.name), " of ", double(a[i]), ", ",
                    double(b[i]), " is ", double(got[i]));
    double u = ulps(got[i], exact, row.ulp_of, a[i], row.arity == 2 ? b[i] : 0);
    if (u > worst) worst = u, at = i;
  }
  if (std::getenv("TAPIR_SHOW_ULP"))
    MESSAGE(std::string(row.name) << " " << sizeof(T) << ": " << worst << " at " << a[at] << " " << b[at]);
  CHECK_MESSAGE(worst <= limit, std::string(row.name), sizeof(T) == 4 ? " f32" : " f64", ": ", worst, " ULP at ",
                double(a[at]), ", ", double(b[at]), ": ", double(got[at]), ", not ",
                double(row.reference(a[at], b[at])));
}

std::string bytes_of(const Tensor& t) {
  Tensor dense = contiguous(t);
  return {reinterpret_cast<const char*>(dense.data<std::byte>()), std::size_t(dense.size()) * size_of(dense.dtype())};
}

// Numbers in the row's range, `n` of them, and the same behind other strides.
Tensor some(const Row& row, std::int64_t n, DType d, double phase) {
  std::vector<double> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) {
    double u = 0.61803398875 * double(i + 1) + phase;
    v[i] = row.low + (row.high - row.low) * (u - std::floor(u));
  }
  return Tensor::from_vector(v).astype(d);
}
Tensor strided(const Tensor& x) { return stack({x, x}, {.axis = -1})(ellipsis, 1); }

}  // namespace

TEST_CASE("values are as near to the true ones as the functor says, in f32 and f64") {
  for (const Row& row : rows()) {
    // 0.5 is correctly rounded; long double adds its own last bit.
    check_accuracy<float>(row, row.ulp_f32 * 1.0001);
    check_accuracy<double>(row, row.ulp_f64 * 1.001);
  }
}

TEST_CASE("no floating-point function is left out of the table") {
  using namespace vmath::fn;
  std::set<std::string> in_table, missing;
  for (const Row& row : rows()) in_table.insert(row.name);
  auto look = [&]<class... Fs>(TypeList<Fs...>) {
    ((Fs::types == Types::floating || Fs::types == Types::numeric
          ? void(in_table.count(Fs::name) || missing.insert(Fs::name).second)
          : void()),
     ...);
  };
  look(ArithmeticOps{});
  look(MathOps{});
  look(TrigonometryOps{});
  look(SpecialOps{});
  look(ActivationOps{});
  // These have a test of their own below.
  CHECK(missing == std::set<std::string>{"clip", "nextafter"});
}

TEST_CASE("an element's bits do not depend on where it stands") {
  for (const Row& row : rows())
    for (DType d : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
      Tensor a = some(row, 70, d, 0), b = some(row, 70, d, 0.4), all = row.run(a, b);
      CHECK(all.dtype() == d);
      const std::string whole = bytes_of(all);
      bool same = bytes_of(row.run(strided(a), strided(b))) == whole && bytes_of(row.run(strided(a), b)) == whole;
      for (std::int64_t n = 0; n < 70; ++n) {
        Tensor y = row.run(a[Slice(0, n)], b[Slice(0, n)]), z = row.run(a[Slice(n, none)], b[Slice(n, none)]);
        same &= bytes_of(y) == whole.substr(0, std::size_t(n) * size_of(d));
        same &= bytes_of(z) == whole.substr(std::size_t(n) * size_of(d));
      }
      CHECK_MESSAGE(same, std::string(row.name), " ", std::string(name_of(d)));
      if (row.arity == 1) continue;
      // A row, a column, one number, each against copies of it.
      Tensor m = reshape(a, {7, 10}), line = b[Slice(0, 10)], column = reshape(b[Slice(0, 7)], {7, 1}),
             one = b[Slice(3, 4)];
      for (const Tensor& t : {line, column, one}) {
        Tensor full = contiguous(broadcast_to(t, {7, 10}));
        CHECK_MESSAGE(bytes_of(row.run(m, t)) == bytes_of(row.run(m, full)), std::string(row.name), " broadcast");
        CHECK_MESSAGE(bytes_of(row.run(t, m)) == bytes_of(row.run(full, m)), std::string(row.name), " broadcast");
      }
    }
}

TEST_CASE("halves are the f32 result, rounded") {
  for (DType d : {DType::f16, DType::bf16}) {
    Tensor every = Tensor::empty({65536}, d);
    for (int i = 0; i < 65536; ++i) every.mutable_data<std::uint16_t>()[i] = std::uint16_t(i);
    for (const Row& row : rows()) {
      if (row.arity == 2) continue;
      CHECK_MESSAGE(bytes_of(row.run(every, every)) == bytes_of(row.run(every.astype(DType::f32), every).astype(d)),
                    std::string(row.name), " ", std::string(name_of(d)));
    }
    std::vector<float> values = specials<float>(), left, right;
    for (float v : values)
      for (float w : values) left.push_back(v), right.push_back(w);
    Tensor a = Tensor::from_vector(left).astype(d), b = Tensor::from_vector(right).astype(d);
    for (const Row& row : rows())
      if (row.arity == 2)
        CHECK_MESSAGE(
            bytes_of(row.run(a, b)) == bytes_of(row.run(a.astype(DType::f32), b.astype(DType::f32)).astype(d)),
            std::string(row.name), " ", std::string(name_of(d)));
  }
}

TEST_CASE("dtypes: promotion, C++ numbers take their partner's") {
  auto dtype = [](DType a, DType b) { return (ones({2}, a) * ones({2}, b)).dtype(); };
  CHECK(dtype(DType::f32, DType::f64) == DType::f64);
  CHECK(dtype(DType::f16, DType::bf16) == DType::f32);
  CHECK(dtype(DType::u8, DType::i8) == DType::i16);
  CHECK(dtype(DType::i32, DType::i64) == DType::i64);
  for (DType d :
       {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i16, DType::i32, DType::i64}) {
    Tensor x = ones({3}, d);
    CHECK((x + 1).dtype() == d);
    CHECK((2 * x).dtype() == d);
    CHECK(pow(x, 2).dtype() == d);
    CHECK(clip(x, 0, 5).dtype() == d);
    CHECK(where(x > 0, x, 0).dtype() == d);
    CHECK((x == 1).dtype() == DType::boolean);
    CHECK((x * 0.5).dtype() == (is_floating(d) ? d : DType::f32));
  }
  Tensor half = ones({2}, DType::f16), whole = ones({2}, DType::i32), yes = ones({2}, DType::boolean);
  golden::check_error<DTypeError>([&] { half + whole; },
                                  "add: dtypes differ, f16 vs i32. Cast one side: y.astype(DType::f16).");
  golden::check_error<DTypeError>(
      [&] { yes + 1; },
      "add: a bool tensor cannot be combined with a C++ integer. Cast it first: x.astype(DType::f32).");
  golden::check_error<DTypeError>([&] { where(whole, half, half); },
                                  "where: the condition must be bool, got i32. Compare it: x != 0.");
  golden::check_error<ShapeError>(
      [&] {
        ones({2, 3}) + ones({4});
      },
      "add: shapes [2, 3] and [4] do not broadcast. Sizes must be equal or 1, counted from the end.");
}

namespace {
bool alike(double a, double b) { return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b); }
}  // namespace

TEST_CASE("special values of functions of two numbers are NumPy's") {
  const double inf = INFINITY, nan = NAN;
  struct Case {
    const char* name;
    Tensor (*run)(const Tensor&, const Tensor&);
    double a, b, y;
  };
#define F(f) #f, [](const Tensor& a, const Tensor& b) { return f(a, b); }
  const std::vector<Case> cases = {
      {F(floor_divide), 7, 2, 3},
      {F(floor_divide), -7, 2, -4},
      {F(floor_divide), 7, -2, -4},
      {F(floor_divide), -1, inf, -1},
      {F(floor_divide), 1, inf, 0.0},
      {F(floor_divide), 1, 0, inf},
      {F(floor_divide), -1, 0, -inf},
      {F(floor_divide), 0, 0, nan},
      {F(floor_divide), inf, 1, nan},
      {F(floor_divide), 0.0, -3, -0.0},
      {F(floor_divide), nan, 1, nan},
      {F(floor_divide), 1, nan, nan},
      {F(floor_divide), 6, 0.1f, 59},
      {F(floor_divide), 1e30f, 3, double(1e30f) / 3},
      {F(remainder), 7, 2, 1},
      {F(remainder), -7, 2, 1},
      {F(remainder), 7, -2, -1},
      {F(remainder), -1, inf, inf},
      {F(remainder), 1, inf, 1},
      {F(remainder), 1, -inf, -inf},
      {F(remainder), -1, -inf, -1},
      {F(remainder), 1, 0, nan},
      {F(remainder), inf, 1, nan},
      {F(remainder), 0.0, -3, -0.0},
      {F(remainder), -0.0, 3, 0.0},
      {F(remainder), 1, nan, nan},
      {F(maximum), nan, 1, nan},
      {F(maximum), 1, nan, nan},
      {F(minimum), nan, 1, nan},
      {F(minimum), 1, nan, nan},
      {F(pow), nan, 0, 1},
      {F(pow), 1, nan, 1},
      {F(pow), -1, inf, 1},
      {F(pow), 0.5, -inf, inf},
      {F(pow), -8, 1.0 / 3, nan},
      {F(pow), -0.0, -3, -inf},
      {F(pow), -2, 3, -8},
      {F(hypot), inf, nan, inf},
      {F(hypot), 3e38f, 3e38f, inf},
      {F(atan2), 0.0, -1, M_PI},
      {F(atan2), -0.0, -1, -M_PI},
      {F(logaddexp), -inf, -inf, -inf},
      {F(logaddexp), inf, inf, inf},
      {F(logaddexp), inf, -inf, inf},
      {F(logaddexp), nan, inf, nan},
      {F(nextafter), 1, 2, 1 + 0x1p-23},
      {F(nextafter), 0, -1, -0x1p-149},
      {F(nextafter), inf, 0, 0x1.fffffep127},
      {F(nextafter), nan, 0, nan},
      {F(copysign), nan, -1, nan},
      {F(copysign), 3, -0.0, -3},
  };
#undef F
  for (const Case& c : cases) {
    auto f32 = c.run(full({19}, c.a).astype(DType::f32), full({19}, c.b).astype(DType::f32)).to_vector<float>();
    for (int at : {0, 18})
      CHECK_MESSAGE(alike(f32[std::size_t(at)], float(c.y)), std::string(c.name), " f32 of ", c.a, ", ", c.b, ": ",
                    f32[std::size_t(at)], ", not ", c.y);
    if (std::string(c.name) == "nextafter" || std::fabs(c.a) > 1e20) continue;  // these are f32's own
    auto f64 = c.run(full({9}, c.a, DType::f64), full({9}, c.b, DType::f64)).to_vector<double>();
    CHECK_MESSAGE(alike(f64[8], c.y), std::string(c.name), " f64 of ", c.a, ", ", c.b, ": ", f64[8], ", not ", c.y);
  }
}

TEST_CASE("a literal power of two is a square") {
  Tensor x = tensor({-3.5, 0.0, 1e-30, 2.0});
  CHECK(bytes_of(pow(x, 2)) == bytes_of(square(x)));
  CHECK(bytes_of(pow(x, 2.0)) == bytes_of(square(x)));
  CHECK(bytes_of(pow(x, tensor({2.0}))) == bytes_of(square(x)));
  CHECK(pow(tensor({3, -4}), 2.0).dtype() == DType::f32);
  CHECK(pow(tensor({3, -4}), 2).dtype() == DType::i32);
}

TEST_CASE("clip, comparisons and tests with NaN and infinities, in every float") {
  Tensor x = Tensor::from_vector(std::vector<double>{NAN, INFINITY, -INFINITY, -0.0, 0.0, 3});
  using Bools = std::vector<bool>;
  for (DType d : {DType::f32, DType::f64, DType::f16, DType::bf16}) {
    Tensor t = x.astype(d);
    auto list = [](const Tensor& y) { return y.to_vector<bool>(); };
    CHECK(list(isnan(t)) == Bools{true, false, false, false, false, false});
    CHECK(list(isinf(t)) == Bools{false, true, true, false, false, false});
    CHECK(list(isfinite(t)) == Bools{false, false, false, true, true, true});
    CHECK(list(signbit(t))[2] == true);
    CHECK(list(signbit(t))[3] == true);
    CHECK(list(signbit(t))[4] == false);
    CHECK(list(t == t) == Bools{false, true, true, true, true, true});
    CHECK(list(t != t) == Bools{true, false, false, false, false, false});
    CHECK(list(t < 1) == Bools{false, false, true, true, true, false});
    CHECK(list(t <= 3) == Bools{false, false, true, true, true, true});
    CHECK(list(t > 0) == Bools{false, true, false, false, false, true});
    CHECK(list(t >= 0.0) == Bools{false, true, false, true, true, true});
    auto limited = clip(t, -1, 2).astype(DType::f64).to_vector<double>();
    CHECK(std::isnan(limited[0]));
    CHECK(std::vector<double>(limited.begin() + 1, limited.end()) == std::vector<double>{2, -1, 0, 0, 2});
    CHECK(clip(t, 5, 2).astype(DType::f64).to_vector<double>()[5] == 2);
    CHECK(std::isnan(clip(t, NAN, 2).astype(DType::f64).to_vector<double>()[5]));
  }
}
