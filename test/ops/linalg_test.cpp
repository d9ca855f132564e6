// Linear algebra: values against NumPy's (golden/make_linalg.py), factors against their definition; gradients are in
// op_cases.cpp.
#include <tapir/test/ops/golden.h>

using namespace golden;

namespace {

Tensor get(const std::string& name) {
  static const io::NamedTensors numbers = io::load_npz(path_of("linalg.npz"));
  return io::find(numbers, name);
}

// y is what NumPy says, in f64, and in f32 for inputs of f32.
void same(const Tensor& y, const std::string& name, double tolerance = 1e-12) {
  INFO(name);
  CHECK(distance(y, get(name)) < tolerance);
}

Tensor times_transposed(const Tensor& a) { return matmul(a, matrix_transpose(a)); }
Tensor unit(const Tensor& columns) { return matmul(matrix_transpose(columns), columns); }

}  // namespace

TEST_CASE("values are NumPy's") {
  const Tensor a = get("square.x"), b = get("square.b"), spd = get("square.spd");
  for (DType d : {DType::f64, DType::f32}) {
    const double tolerance = d == DType::f64 ? 1e-11 : 2e-4;
    auto in = [&](const Tensor& x) { return x.astype(d); };
    same(linalg::cholesky(in(spd)), "square.cholesky", tolerance);
    same(linalg::eigvalsh(in(spd)), "square.eigvalsh", tolerance);
    same(linalg::solve(in(a), in(b)), "square.solve", tolerance);
    same(linalg::inv(in(a)), "square.inv", tolerance);
    same(linalg::det(in(a)), "square.det", tolerance);
    same(linalg::slogdet(in(a)).sign, "square.sign", tolerance);
    same(linalg::slogdet(in(a)).logabsdet, "square.logabsdet", tolerance);
    same(linalg::matrix_power(in(a), 3), "square.power 3", tolerance);
    same(linalg::matrix_power(in(a), -2), "square.power -2", tolerance);
    same(linalg::trace(in(a)), "square.trace", tolerance);
    same(linalg::lstsq(in(get("tall.x")), in(get("tall.b"))), "tall.lstsq", tolerance);
    for (const char* name : {"square", "tall", "wide"}) {
      const Tensor x = in(get(std::string(name) + ".x"));
      same(linalg::svdvals(x), std::string(name) + ".s", tolerance);
      same(linalg::pinv(x), std::string(name) + ".pinv", tolerance);
      for (const char* ord : {"fro", "nuc", "2", "-2", "1", "-1", "inf", "-inf"})
        same(linalg::matrix_norm(x, {.ord = ord}), std::string(name) + ".norm " + ord, tolerance);
    }
  }
  CHECK(array_equal(linalg::matrix_power(a, 0), broadcast_to(eye(5, {.dtype = DType::f64}), a.shape())));
  CHECK(linalg::matrix_norm(a, {.keepdims = true}).shape() == Shape{2, 1, 1});
}

TEST_CASE("factors multiply to the matrix") {
  for (const Shape& shape : {Shape{4, 4}, Shape{7, 3}, Shape{3, 7}, Shape{2, 3, 40, 25}, Shape{1, 1}, Shape{0, 3, 2}}) {
    const Tensor x = randn(shape);
    const auto [q, r] = linalg::qr(x);
    CHECK(distance(matmul(q, r), x) < 1e-12);
    CHECK(array_equal(triu(r), r));
    CHECK(distance(unit(q), broadcast_to(eye(q.shape().back(), {.dtype = DType::f64}), unit(q).shape())) < 1e-12);
    const auto [u, s, vh] = linalg::svd(x);
    CHECK(distance(matmul(u * expand_dims(s, -2), vh), x) < 1e-12);
    CHECK(array_equal(sort(s, {.descending = true}), s));
    const Tensor symmetric = times_transposed(x);
    const auto [w, v] = linalg::eigh(symmetric);
    CHECK(distance(matmul(v * expand_dims(w, -2), matrix_transpose(v)), symmetric) < 1e-11);
    const Tensor spd = symmetric + eye(shape.dim(-2), {.dtype = DType::f64});
    CHECK(distance(times_transposed(linalg::cholesky(spd)), spd) < 1e-12);
    CHECK(distance(
              matmul(matrix_transpose(linalg::cholesky(spd, {.upper = true})), linalg::cholesky(spd, {.upper = true})),
              spd) < 1e-12);
  }
}

TEST_CASE("triangles") {
  const Tensor a = randn({3, 4, 4}) + eye(4, {.dtype = DType::f64}) * 3, b = randn({4, 2});
  for (bool upper : {false, true})
    for (bool transpose : {false, true})
      for (bool unit_diagonal : {false, true}) {
        const Tensor x = linalg::solve_triangular(a, b, {upper, transpose, unit_diagonal});
        Tensor m = upper ? triu(a) : tril(a);
        if (unit_diagonal) m = m - diag_embed(diagonal(m)) + eye(4, {.dtype = DType::f64});
        CHECK(x.shape() == Shape{3, 4, 2});
        CHECK(distance(matmul(transpose ? matrix_transpose(m) : m, x), broadcast_to(b, {3, 4, 2})) < 1e-11);
      }
}

TEST_CASE("what is at the edge") {
  const Tensor empty = zeros({0, 0}, DType::f64);
  CHECK(linalg::det(empty).item<double>() == 1);
  CHECK(linalg::slogdet(empty).logabsdet.item<double>() == 0);
  CHECK(linalg::inv(empty).shape() == Shape{0, 0});
  CHECK(linalg::qr(zeros({3, 0})).Q.shape() == Shape{3, 0});
  CHECK(linalg::svd(zeros({2, 0, 3})).Vh.shape() == Shape{2, 0, 3});
  const Tensor singular = tensor({{1.0, 2.0}, {2.0, 4.0}}, DType::f64);
  CHECK(linalg::det(singular).item<double>() == 0);
  CHECK(linalg::slogdet(singular).sign.item<double>() == 0);
  CHECK(linalg::slogdet(singular).logabsdet.item<double>() == -INFINITY);
  CHECK(linalg::matrix_rank(singular).item<std::int64_t>() == 1);
  CHECK(linalg::matrix_rank(eye(3), {.rtol = 2}).item<std::int64_t>() == 0);
  CHECK(distance(linalg::pinv(singular), singular / 25.0) < 1e-12);
  const Tensor nan = full({2, 2}, NAN, DType::f32);
  CHECK(all(isnan(linalg::svdvals(nan))).item<bool>());
  CHECK(all(isnan(linalg::eigvalsh(nan))).item<bool>());
  CHECK(all(isnan(linalg::det(nan))).item<bool>());
  CHECK(distance(linalg::solve(tensor({{0.0, 1.0}, {2.0, 0.0}}), tensor({3.0, 4.0})), tensor({2.0, 3.0})) == 0);
  CHECK(array_equal(linalg::cross(tensor({1, 0, 0}), tensor({{0, 1, 0}, {0, 0, 1}})), tensor({{0, 0, 1}, {0, -1, 0}})));
  CHECK(linalg::inv(eye(2, {.dtype = DType::f16})).dtype() == DType::f16);
  // not row-major
  const Tensor x = randn({3, 3});
  CHECK(distance(linalg::inv(matrix_transpose(x)), matrix_transpose(linalg::inv(x))) < 1e-11);
}

TEST_CASE("gradients of singular values that are equal are finite") {
  GradientTape tape;
  const Tensor x = eye(3, {.dtype = DType::f64});
  tape.watch(x);
  CHECK(array_equal(tape.gradient(sum(linalg::svdvals(x)), x), x));
}

TEST_CASE("bad input") {
  const Tensor x = ones({2, 3}), a = eye(2);
  check_error<ShapeError>([&] { linalg::inv(x); }, ": inv: needs square matrices, got shape [2, 3].");
  check_error<ShapeError>([&] { linalg::svd(ones({3})); }, ": svd: needs matrices, rank 2 or more, got shape [3].");
  check_error<DTypeError>(
      [&] {
        linalg::det(tensor({{1, 2}, {3, 4}}));
      },
      ": det: needs floats, got i32. Cast it: x.astype(DType::f32).");
  check_error<ShapeError>(
      [&] {
        linalg::solve(a, ones({3, 1}));
      },
      ": solve: a has 2 rows and b 3; shapes [2, 2] and [3, 1].");
  check_error<ShapeError>(
      [&] {
        linalg::solve(ones({2, 2, 2}), ones({3, 2, 1}));
      },
      ": solve: leading dimensions of [2, 2, 2] and [3, 2, 1] do not broadcast.");
  check_error<DTypeError>(
      [&] {
        linalg::solve(a, ones({2, 1}, DType::f64));
      },
      ": solve: dtypes differ, f32 vs f64. Cast one side: b.astype(DType::f32).");
  check_error<UsageError>(
      [&] {
        linalg::inv(ones({1, 2, 2}));
      },
      ": solve: matrix 0 is singular. pinv() and lstsq() take such matrices.");
  check_error<UsageError>([&] { linalg::cholesky(stack({a, -a})); }, ": cholesky: matrix 1 is not positive definite.");
  check_error<UsageError>(
      [&] {
        linalg::cholesky(full({2, 2}, NAN));
      },
      ": cholesky: matrix 0 is not positive definite.");
  check_error<UsageError>(
      [&] { linalg::matrix_norm(a, {.ord = "two"}); },
      ": matrix_norm: ord must be \"fro\", \"nuc\", \"2\", \"-2\", \"1\", \"-1\", \"inf\" or \"-inf\", "
      "got \"two\".");
  check_error<ShapeError>([&] { linalg::cross(x, x(Slice(), Slice(0, 2))); },
                          ": cross: the last dimension must be 3, got shape [2, 2].");
  check_error<ShapeError>([&] { linalg::lstsq(x, x); },
                          ": lstsq: needs as many rows as columns or more, got shape [2, 3].");
  check_error<UsageError>(
      [&] {
        GradientTape tape;
        tape.watch(x);
        (void)tape.gradient(sum(linalg::qr(x).R), x);
      },
      ": qr: the gradient needs as many rows as columns or more, got shape [2, 3].");
}
