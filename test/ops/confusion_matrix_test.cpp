// Confusion matrices beside counting by hand.
#include <tapir/tapir.h>
#include <tapir/test/io/files.h>

#include <random>

using namespace tapir;
using files::error_of;

TEST_CASE("rows are labels, columns predictions") {
  const Tensor labels = Tensor::from_vector<std::int64_t>({0, 0, 1, 2, 2, 2}),
               said = Tensor::from_vector<std::int64_t>({0, 1, 1, 2, 0, 2});
  const Tensor m = confusion_matrix(labels, said);
  CHECK(m.dtype() == DType::i32);
  CHECK(array_equal(m, tensor({{1, 1, 0}, {0, 1, 0}, {1, 0, 2}})));
  CHECK(array_equal(confusion_matrix(labels, said, {.num_classes = 4}),
                    tensor({{1, 1, 0, 0}, {0, 1, 0, 0}, {1, 0, 2, 0}, {0, 0, 0, 0}})));
  const Tensor weighted =
      confusion_matrix(labels.astype(DType::u8), said.astype(DType::i32),
                       {.weights = Tensor::from_vector<float>({1, 2, 3, 4, 5, 0.5f}), .dtype = DType::f32});
  CHECK(weighted.dtype() == DType::f32);
  CHECK(allclose(weighted, tensor({{1.0f, 2.0f, 0.0f}, {0.0f, 3.0f, 0.0f}, {5.0f, 0.0f, 4.5f}})));
}

TEST_CASE("drawn labels, eager and traced") {
  std::mt19937 random(3);
  for (int classes : {1, 2, 10, 57}) {
    std::vector<std::int64_t> a, b, counts(std::size_t(classes * classes), 0);
    for (int i = 0; i < 500; ++i) {
      a.push_back(random() % unsigned(classes)), b.push_back(random() % unsigned(classes));
      ++counts[std::size_t(a.back() * classes + b.back())];
    }
    const Tensor labels = Tensor::from_vector(a), said = Tensor::from_vector(b),
                 wanted = Tensor::from_vector(counts, {classes, classes});
    CHECK(array_equal(confusion_matrix(labels, said, {.num_classes = classes, .dtype = DType::i64}), wanted));
    auto traced =
        function([&](const Tensor& x, const Tensor& y) { return confusion_matrix(x, y, {.num_classes = classes}); });
    CHECK(array_equal(traced(labels, said), wanted));
  }
}

TEST_CASE("nothing") {
  const Tensor none = zeros({0}, DType::i64);
  CHECK(confusion_matrix(none, none).shape() == Shape({0, 0}));
  CHECK(array_equal(confusion_matrix(none, none, {.num_classes = 2}), zeros({2, 2}, DType::i32)));
}

TEST_CASE("errors") {
  const Tensor a = Tensor::from_vector<std::int64_t>({0, 1, 2});
  CHECK(error_of<DTypeError>([&] { confusion_matrix(a, ones({3})); }) ==
        "confusion_matrix: predictions must be integers, got f32. Of probabilities take argmax(x, {.axis = -1}).");
  CHECK(error_of<ShapeError>([&] {
          confusion_matrix(ones({3, 1}, DType::i64), a);
        }) == "confusion_matrix: labels must have shape [N], got [3, 1].");
  CHECK(error_of<ShapeError>([&] { confusion_matrix(a, a[Slice(0, 2)]); }) ==
        "confusion_matrix: labels [3] and predictions [2] differ in number.");
  CHECK(error_of<ShapeError>([&] { confusion_matrix(a, a, {.weights = ones({2})}); }) ==
        "confusion_matrix: weights must have shape [3], got [2].");
  CHECK(error_of<UsageError>([&] { confusion_matrix(a, a - 1); }) ==
        "confusion_matrix: predictions hold -1, which is no class number.");
  CHECK(error_of<UsageError>([&] { confusion_matrix(a, a, {.num_classes = 2}); }) ==
        "confusion_matrix: labels hold 2, but there are 2 classes.");
  auto traced = function([](const Tensor& x) { return confusion_matrix(x, x); });
  CHECK(error_of<UsageError>([&] { traced(a); }) == "confusion_matrix: in a trace it needs num_classes.");
  auto bounded = function([](const Tensor& x) { return confusion_matrix(x, x, {.num_classes = 2}); });
  CHECK_THROWS_AS(bounded(a), UsageError);
  CHECK_THROWS_AS(bounded(a - 1), UsageError);
}
