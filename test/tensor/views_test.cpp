// Views of a tensor's memory for other code: md_view, and Eigen's.
#include <doctest/doctest.h>
#include <tapir/eigen.h>
#include <tapir/graph/function.h>
#include <tapir/ops/close.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/index.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/shaping.h>
#include <tapir/test/thrown.h>

#include <Eigen/Dense>

using namespace tapir;

namespace {

// Every element by its index, against the copy that to_vector makes.
template <Number T>
bool same_elements(const Tensor& x) {
  const auto v = md_view<T, 3>(x);
  const std::vector<T> all = x.to_vector<T>();
  std::size_t at = 0;
  for (std::int64_t i = 0; i < v.extent(0); ++i)
    for (std::int64_t j = 0; j < v.extent(1); ++j)
      for (std::int64_t k = 0; k < v.extent(2); ++k, ++at)
        if (double(v(i, j, k)) != double(all[at]) || &v[{i, j, k}] != &v(i, j, k)) return false;
  return at == all.size() && v.size() == x.size();
}

}  // namespace

TEST_CASE("md_view reads the memory of the tensor, whatever its strides") {
  const Tensor x = reshape(arange(24), {2, 3, 4});
  const auto v = md_view<int, 3>(x);
  static_assert(decltype(v)::rank() == 3);
  CHECK(v.data_handle() == x.data<int>());
  CHECK((v.extents() == std::array<std::int64_t, 3>{2, 3, 4} && v.strides() == std::array<std::int64_t, 3>{12, 4, 1}));
  CHECK(&v(1, 2, 3) == x.data<int>() + 23);
  CHECK(same_elements<int>(x));
  CHECK(same_elements<int>(permute_dims(x, {2, 0, 1})));
  CHECK(same_elements<int>(x(Slice(), Slice(none, none, 2), Slice(1, 3))));
  CHECK(same_elements<int>(broadcast_to(x(Slice(0, 1)), {5, 3, 4})));
  CHECK(md_view<int, 3>(broadcast_to(x(Slice(0, 1)), {5, 3, 4})).stride(0) == 0);
  const Tensor turned = x(Slice(), Slice(none, none, -1));
  CHECK(same_elements<int>(turned));
  CHECK(md_view<int, 3>(turned).stride(1) == -4);
  CHECK(md_view<int, 3>(turned).data_handle() == x.data<int>() + 8);  // a view, not a copy
  const Tensor none_at_all = zeros({2, 0, 3});
  CHECK((md_view<float, 3>(none_at_all).empty() && same_elements<float>(none_at_all)));
}

TEST_CASE("md_view of every dtype, of a scalar and of a vector") {
  for (int i = 0; i < dtype_count; ++i)
    visit_dtype(DType(i), [&]<class T>(T) {
      const Tensor x = reshape(arange(6), {1, 2, 3}).astype(DType(i));
      CHECK(same_elements<T>(x));
    });
  const Tensor scalar = constant(2.5f);
  const auto v = md_view<float, 0>(scalar);
  CHECK((v() == 2.5f && v.size() == 1));
  const Tensor column = reshape(arange(6), {3, 2})(Slice(), 1);
  CHECK((md_view<int, 1>(column)(2) == 5 && md_view<int, 1>(column).stride(0) == 2));
}

TEST_CASE("md_view says what does not fit") {
  const Tensor x = ones({2, 3});
  CHECK(thrown<DTypeError>([&] { md_view<double, 2>(x); }).starts_with("views_test.cpp:"));
  CHECK(message<DTypeError>([&] { md_view<double, 2>(x); }) ==
        "md_view: the tensor holds f32, not f64. Cast it first: x.astype(DType::f64).");
  CHECK(message<ShapeError>([&] { md_view<float, 3>(x); }) == "md_view: needs a tensor of rank 3, got shape [2, 3].");
  CHECK(message<UsageError>([&] { md_view<float, 2>(Tensor()); }).starts_with("tensor: it is undefined"));
  auto f = function([](const Tensor& t) { return t * md_view<float, 2>(t)(0, 0); });
  CHECK(message<UsageError>([&] {
          f(x);
        }).starts_with("md_view: this tensor has no value yet, it is being traced by function()."));
}

TEST_CASE("Eigen sees matrices and vectors without a copy") {
  const Tensor x = reshape(arange(24.f), {6, 4});  // too large to live within a handle
  const eigen::MatrixView<float> m = eigen::matrix<float>(x);
  CHECK((m.data() == x.data<float>() && m.rows() == 6 && m.cols() == 4 && m(1, 2) == 6));
  CHECK(m.sum() == 276);
  const Tensor turned = permute_dims(x, {1, 0});
  CHECK(eigen::matrix<float>(turned).data() == x.data<float>());
  CHECK(eigen::matrix<float>(turned) == m.transpose());
  const Tensor part = x(Slice(none, none, 2), Slice(none, none, -1));
  CHECK(eigen::matrix<float>(part).row(1) == m.row(2).reverse());
  CHECK(eigen::matrix<float>(broadcast_to(x(1), {5, 4})) == m.row(1).replicate(5, 1));
  CHECK(eigen::vector<float>(x(Slice(), 1)) == m.col(1));
  CHECK(eigen::vector<float>(x(2, Slice(none, none, -1))) == m.row(2).reverse().transpose());
  CHECK(eigen::matrix<float>(zeros({0, 3})).size() == 0);
  CHECK(eigen::matrix<std::int64_t>(tensor({{1, 2}}).astype(DType::i64))(0, 1) == 2);
  CHECK(message<ShapeError>([&] { eigen::vector<float>(x); }) ==
        "eigen::vector: needs a tensor of rank 1, got shape [6, 4].");
  CHECK(message<DTypeError>([&] { eigen::matrix<int>(x); }) ==
        "eigen::matrix: the tensor holds f32, not i32. Cast it first: x.astype(DType::i32).");
}

TEST_CASE("what Eigen has becomes a tensor") {
  Eigen::MatrixXf m(2, 3);  // column-major
  m << 1, 2, 3, 4, 5, 6;
  const Tensor x = eigen::tensor(m);
  CHECK(array_equal(x, tensor({{1.f, 2.f, 3.f}, {4.f, 5.f, 6.f}})));
  m(0, 0) = 9;  // a copy
  CHECK(x(0, 0).item<float>() == 1);
  CHECK(array_equal(eigen::tensor(eigen::matrix<float>(x)), x));
  CHECK(allclose(eigen::tensor(eigen::matrix<float>(x) * eigen::matrix<float>(x).transpose()),
                 matmul(x, permute_dims(x, {1, 0}))));
  CHECK(array_equal(eigen::tensor(Eigen::Vector3d(1, 2, 3)), Tensor::from_vector(std::vector<double>{1, 2, 3})));
  CHECK(eigen::tensor(Eigen::RowVectorXi::LinSpaced(4, 0, 3)).shape() == Shape{4});
  CHECK(array_equal(eigen::tensor(Eigen::ArrayXXi::Constant(2, 2, 7)), full({2, 2}, 7)));
  CHECK(array_equal(eigen::tensor(eigen::matrix<float>(x).array() > 2.5f), x > 2.5f));
  CHECK(eigen::tensor(Eigen::MatrixXd(0, 5)).shape() == Shape{0, 5});
}
