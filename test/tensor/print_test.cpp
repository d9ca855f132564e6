// The texts are those of NumPy 2.4's array2string with prefix "tensor(", suffix ")" and separator ", ".
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cmath>
#include <sstream>

using namespace tapir;

static std::string shown(const Tensor& t) {
  std::ostringstream os;
  os << t;
  CHECK(os.str() == t.str());
  return os.str();
}

TEST_CASE("numbers") {
  CHECK(shown(Tensor()) == "undefined");
  CHECK(shown(constant(3.0f)) == "tensor(3., dtype=f32)");
  CHECK(shown(constant(true)) == "tensor(true, dtype=bool)");
  CHECK(shown(tensor({true, false})) == "tensor([ true, false], dtype=bool)");
  CHECK(shown(tensor({1, -20, 300})) == "tensor([  1, -20, 300], dtype=i32)");
  CHECK(shown(Tensor::from_vector(std::vector<std::int64_t>{INT64_MIN, INT64_MAX})) ==
        "tensor([-9223372036854775808,  9223372036854775807], dtype=i64)");
  CHECK(shown(tensor({1.0f, 2.5f, -3.125f})) == "tensor([ 1.   ,  2.5  , -3.125], dtype=f32)");
  CHECK(shown(linspace(0.0, 1.0, 5)) == "tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=f32)");
  CHECK(shown(tensor({0.1f})) == "tensor([0.1], dtype=f32)");
  CHECK(shown(tensor({0.1}, DType::f64)) == "tensor([0.1], dtype=f64)");
  CHECK(shown(tensor({1.0 / 3}, DType::f64)) == "tensor([0.33333333], dtype=f64)");
  CHECK(shown(tensor({0.1}, DType::f16)) == "tensor([0.1], dtype=f16)");
  CHECK(shown(tensor({0.1}, DType::bf16)) == "tensor([0.1], dtype=bf16)");
  CHECK(shown(tensor({1e10f, 1.5f})) == "tensor([1.0e+10, 1.5e+00], dtype=f32)");
  CHECK(shown(tensor({1e-5f, 1.0f})) == "tensor([1.e-05, 1.e+00], dtype=f32)");
  CHECK(shown(tensor({1e100, -1.0}, DType::f64)) == "tensor([ 1.e+100, -1.e+000], dtype=f64)");
  CHECK(shown(tensor({999999.0f})) == "tensor([999999.], dtype=f32)");
  CHECK(shown(tensor({1000000.0f})) == "tensor([1.e+06], dtype=f32)");
  CHECK(shown(tensor({-0.0f, 0.0f})) == "tensor([-0.,  0.], dtype=f32)");
  CHECK(shown(tensor({NAN, INFINITY, 1.5f})) == "tensor([nan, inf, 1.5], dtype=f32)");
  CHECK(shown(tensor({NAN, -INFINITY})) == "tensor([ nan, -inf], dtype=f32)");
}

TEST_CASE("brackets and lines") {
  CHECK(shown(tensor({{1.0f, 2.0f}, {3.0f, 4.0f}})) ==
        "tensor([[1., 2.],\n"
        "        [3., 4.]], dtype=f32)");
  CHECK(shown(reshape(arange(8), {2, 2, 2})) ==
        "tensor([[[0, 1],\n"
        "         [2, 3]],\n"
        "\n"
        "        [[4, 5],\n"
        "         [6, 7]]], dtype=i32)");
  CHECK(shown(arange(40)) ==
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15,\n"
        "        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,\n"
        "        32, 33, 34, 35, 36, 37, 38, 39], dtype=i32)");
  CHECK(shown(arange(16)) ==
        "tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15],\n"
        "       dtype=i32)");
  CHECK(shown(zeros({0})) == "tensor([], dtype=f32)");
  CHECK(shown(zeros({0, 3})) == "tensor([], shape=[0, 3], dtype=f32)");
}

TEST_CASE("views print as what they show") {
  Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  CHECK(shown(matrix_transpose(x)) ==
        "tensor([[1, 4],\n"
        "        [2, 5],\n"
        "        [3, 6]], dtype=i32)");
  CHECK(shown(flip(x)) ==
        "tensor([[6, 5, 4],\n"
        "        [3, 2, 1]], dtype=i32)");
  CHECK(shown(broadcast_to(constant(7), {2, 2})) ==
        "tensor([[7, 7],\n"
        "        [7, 7]], dtype=i32)");
}

TEST_CASE("a variable prints as its value") {
  Variable v(tensor({1, 2}), "v");
  std::ostringstream os;
  os << v << " " << v + 1;
  CHECK(os.str() == "tensor([1, 2], dtype=i32) tensor([2, 3], dtype=i32)");
}

TEST_CASE("more than 1000 elements are summarised") {
  CHECK(shown(arange(1001)) == "tensor([   0,    1,    2, ...,  998,  999, 1000], shape=[1001], dtype=i32)");
  CHECK(shown(zeros({1000})).find("...") == std::string::npos);
  CHECK(shown(reshape(arange(2000), {1000, 2})) ==
        "tensor([[   0,    1],\n"
        "        [   2,    3],\n"
        "        [   4,    5],\n"
        "        ...,\n"
        "        [1994, 1995],\n"
        "        [1996, 1997],\n"
        "        [1998, 1999]], shape=[1000, 2], dtype=i32)");
}

TEST_CASE("a traced tensor has no value to print") {
  const std::string text =
      "print: this tensor has no value yet, it is being traced by function() (f32 [2, 3]). To see it on every call "
      "write print(x).";
  const Tensor x = Tensor::only_spec({2, 3}, DType::f32);
  std::ostringstream out;
  const int line = __LINE__ + 1;
  CHECK_THROWS_WITH_AS(out << x, ("print_test.cpp:" + std::to_string(line) + ": " + text).c_str(), UsageError);
  CHECK_THROWS_WITH_AS(x.str(), ("print_test.cpp:" + std::to_string(line + 1) + ": " + text).c_str(), UsageError);
}
