// Making tensors and reading them.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cstring>

using namespace tapir;

namespace {

template <class E, class F>
std::string message(F f) {
  try {
    f();
  } catch (const E& e) {
    std::string s = e.what();
    CHECK(s.find("tensor_test.cpp:") == 0);
    return s.substr(s.find(": ") + 2);
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("from_memory, from_span and from_vector copy") {
  float data[] = {1, 2, 3, 4, 5, 6};
  Tensor a = Tensor::from_memory(data, {2, 3});
  Tensor b = Tensor::from_span(std::span<const float>(data), {3, 2});
  data[0] = 9;
  CHECK(a.dtype() == DType::f32);
  CHECK(a.to_vector<float>() == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(b.shape() == Shape{3, 2});
  CHECK(b.view<float>()[0] == 1);
  CHECK(Tensor::from_vector(std::vector<double>{1, 2}).dtype() == DType::f64);
  CHECK(Tensor::from_vector(std::vector<std::int64_t>{1, 2}, {2, 1}).shape() == Shape{2, 1});
  CHECK(Tensor::from_vector(std::vector<bool>{true, false}).to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(Tensor::from_vector(std::vector<std::uint8_t>(1000, 7)).to_vector<std::uint8_t>()[999] == 7);
  CHECK(Tensor::from_vector(std::vector<float>{}).shape() == Shape{0});
  std::vector<float> v(5);
  CHECK(message<ShapeError>([&] {
          Tensor::from_vector(v, {2, 3});
        }) == "from_memory: 5 values do not fill shape [2, 3] (6 elements).");
  CHECK(message<UsageError>([&] { Tensor::from_memory<float>(nullptr, {2}); }) == "from_memory: the pointer is null.");
}

TEST_CASE("from_external shares memory and releases it once") {
  static int released;
  released = 0;
  auto* data = new float[100];
  for (int i = 0; i < 100; ++i) data[i] = float(i);
  auto release = [](void* p) {
    delete[] static_cast<float*>(p);
    ++released;
  };
  {
    Tensor x = Tensor::from_external(data, {10, 10}, DType::f32, release, data);
    CHECK(x.data<float>() == data);
    CHECK(sum(x).item<float>() == 4950);
    Tensor row = narrow(x, 0, 3, 1);
    x = Tensor();
    CHECK(released == 0);
    CHECK(row.data<float>() == data + 30);
    Tensor y = matrix_transpose(row) * 2.0f;
    CHECK(y.to_vector<float>()[9] == 78);
  }
  CHECK(released == 1);

  float mine[4] = {1, 2, 3, 4};
  {
    Tensor x = Tensor::from_external(mine, {4}, DType::f32, nullptr, nullptr);
    mine[0] = 10;
    CHECK(x.view<float>()[0] == 10);
    Tensor y = std::move(x) + 1.0f;  // must not write into the caller's memory
    CHECK(mine[1] == 2);
  }
  CHECK(message<UsageError>([] { Tensor::from_external(nullptr, {4}, DType::f32, nullptr, nullptr); }) ==
        "from_external: the pointer is null.");
}

TEST_CASE("reading") {
  CHECK(constant(3.5f).item<int>() == 3);
  CHECK(constant(3).item<double>() == 3.0);
  CHECK(tensor({{{7}}}).item<int>() == 7);
  CHECK(message<UsageError>([] { (void)ones({2}).item<float>(); }) ==
        "item: needs exactly one element, but the tensor has shape [2]. Use to_vector<T>(), or index it first.");
  CHECK(message<DTypeError>([] { (void)ones({2}).to_vector<double>(); }) ==
        "to_vector: the tensor holds f32, not f64. Cast it first: x.astype(DType::f64).");
  CHECK(message<UsageError>([] {
          (void)matrix_transpose(ones({2, 3})).view<float>();
        }) == "view: the tensor is a strided view (shape [3, 2], strides [1, 3]). Call contiguous(x) first.");
  Tensor x = reshape(arange(24), {2, 3, 4});
  CHECK(permute_dims(x, {2, 0, 1}).to_vector<int>()[5] == 20);
  CHECK(x.shape(-1) == 4);
  CHECK(message<ShapeError>([&] { (void)x.shape(3); }) == "shape: axis 3 is out of range for rank 3 ([2, 3, 4]).");
  CHECK(Tensor().defined() == false);
}

TEST_CASE("nested lists") {
  CHECK(tensor({1.0, 2.0}).dtype() == DType::f32);
  CHECK(tensor({1, 2}).dtype() == DType::i32);
  CHECK(tensor({std::int64_t(1)}).dtype() == DType::i64);
  CHECK(tensor({true}).dtype() == DType::boolean);
  CHECK(tensor({1, 2}, DType::bf16).dtype() == DType::bf16);
  Tensor x = tensor({{{{1, 2}, {3, 4}}, {{5, 6}, {7, 8}}}, {{{9, 10}, {11, 12}}, {{13, 14}, {15, 16}}}});
  CHECK(x.shape() == Shape{2, 2, 2, 2});
  CHECK(array_equal(x, reshape(arange(1, 17), {2, 2, 2, 2})));
  CHECK(tensor({{{true, false, true}}}).shape() == Shape{1, 1, 3});
  CHECK(message<ShapeError>([] { tensor({{1, 2}, {3}}); }) == "tensor: nested lists differ in length, 1 vs 2.");
  CHECK(message<ShapeError>([] {
          tensor({{{1}, {2}}, {{3}, {4}, {5}}});
        }) == "tensor: nested lists differ in length, 3 vs 2.");
}

TEST_CASE("filled tensors") {
  for (DType d : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8, DType::i16, DType::i32,
                  DType::i64, DType::boolean}) {
    CHECK(zeros({3, 2}, d).dtype() == d);
    CHECK(array_equal(ones({700, 900}, d), broadcast_to(ones({}, d), {700, 900})));  // large enough for threads
  }
  CHECK(full({2}, 0.5).dtype() == DType::f32);
  CHECK(full({2}, 7).dtype() == DType::i32);
  CHECK(full({2}, INT64_MAX).to_vector<std::int64_t>()[1] == INT64_MAX);
  CHECK(full({2}, 7, DType::f64).to_vector<double>()[1] == 7);
  Tensor x = ones({2, 3}, DType::i16);
  CHECK(full_like(x, 4).to_vector<std::int16_t>()[5] == 4);
  CHECK(full_like(x, 0.5, DType::f32).to_vector<float>()[5] == 0.5f);
  CHECK(zeros_like(x).dtype() == DType::i16);
  CHECK(ones_like(x, DType::f32).dtype() == DType::f32);
  CHECK(zeros({}).shape() == Shape{});
  CHECK(zeros({0, 5}).size() == 0);
  CHECK(empty({3, 4}, DType::f64).shape() == Shape{3, 4});
  const int n = 3;
  const std::int16_t m = 2;
  const long long k = 4;
  CHECK(zeros({n, m, k}).shape() == Shape{3, 2, 4});
  CHECK(message<ShapeError>([] { zeros({2, -1}); }) == "zeros: negative size -1 of axis 1.");
  CHECK(message<ShapeError>([] {
          zeros({1LL << 40, 1LL << 40});
        }) == "zeros: [1099511627776, 1099511627776] is too large to have in memory.");
  CHECK(message<ShapeError>([] {
          empty({1LL << 62, 4});
        }) == "empty: [4611686018427387904, 4] is too large to have in memory.");
  CHECK(message<ShapeError>([] {
          zeros({0, 1LL << 62, 1LL << 62});
        }) == "zeros: [0, 4611686018427387904, 4611686018427387904] is too large to have in memory.");
}
