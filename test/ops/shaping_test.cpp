// reshape of views: the same elements in the same order as of a dense copy, whatever the strides.
#include <tapir/test/ops/shape_reference.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace tapir;
using shape_reference::counted;

namespace {

std::mt19937 rng(5);
std::int64_t below(std::int64_t n) { return std::int64_t(rng() % std::uint32_t(n)); }

// Permuted, sliced, turned round and broadcast at random; many sizes are 1.
Tensor random_view() {
  Shape s;
  Axes order;
  for (int i = 0, rank = int(1 + below(4)); i < rank; ++i) {
    s.push_back(std::array{1, 1, 2, 3, 4}[std::size_t(below(5))]);
    order.push_back(i);
  }
  Tensor x = counted(s);
  std::shuffle(order.begin(), order.end(), rng);
  if (below(4)) x = permute_dims(x, order);
  if (!below(3)) x = x(ellipsis, Slice(none, none, below(2) ? 2 : -1));
  if (!below(3)) x = x[Slice(x.shape()[0] / 2, none)];
  if (!below(4)) {
    Shape wider = x.shape();
    wider.insert(0, 1 + below(3));
    x = broadcast_to(x, wider);
  }
  if (!below(4) && x.shape().back() == 1) {
    Shape wider = x.shape();
    wider[wider.rank() - 1] = 3;
    x = broadcast_to(x, wider);
  }
  return x;
}

// n as a product of sizes at random, with ones between them.
Shape random_factors(std::int64_t n) {
  Shape s;
  while (n > 1 && s.rank() < 6) {
    std::int64_t f = 1 + below(n);
    while (n % f) --f;
    s.push_back(f);
    n /= f;
  }
  s.push_back(n);
  return s;
}

}  // namespace

TEST_CASE("reshape: a size of 1 between two dimensions that do not join") {
  const Tensor x = permute_dims(counted({5, 1, 4, 2}), {0, 1, 3, 2});
  CHECK(shape_reference::differs(reshape(x, {10, 4}), {10, 4}, [](const shape_reference::At& i) {
          return double(i[0] / 2 * 8 + i[1] * 2 + i[0] % 2);
        }) == "");
}

TEST_CASE("reshape: views at random") {
  int views = 0;
  for (int i = 0; i < 20000; ++i) {
    const Tensor x = random_view(), dense = contiguous(x);
    const Shape to = random_factors(x.size());
    const Tensor y = reshape(x, to);
    const bool same = y.shape() == to && y.to_vector<double>() == dense.to_vector<double>();
    if (!same) FAIL("reshape of ", x.shape().str(), " with strides ", x.strides().str(), " to ", to.str());
    views += !x.is_contiguous() && y.impl()->storage == x.impl()->storage;
  }
  CHECK(views > 1000);  // it does not just copy
}
