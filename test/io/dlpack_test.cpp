#include <doctest/doctest.h>
#include <tapir/io/dlpack.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/index.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/error.h>

using namespace tapir;

namespace {

// Somebody else's tensor, who wants to know when it is given back.
struct Foreign {
  float values[6] = {1, 2, 3, 4, 5, 6};
  std::int64_t shape[2] = {3, 2}, strides[2] = {1, 3};  // column-major
  int deleted = 0;
  dlpack::Managed managed;
  Foreign() {
    managed.view.data = values;
    managed.view.rank = 2;
    managed.view.shape = shape;
    managed.view.strides = strides;
    managed.context = this;
    managed.deleter = [](dlpack::Managed* self) { ++static_cast<Foreign*>(self->context)->deleted; };
  }
};

template <class E>
bool refuses(Foreign& f) {
  try {
    (void)dlpack::take(&f.managed);
  } catch (const E&) {
    return f.deleted == 0;
  }
  return false;
}

}  // namespace

TEST_CASE("the struct is DLManagedTensor") {
  static_assert(sizeof(dlpack::DataType) == 4 && sizeof(dlpack::View) == 48 && sizeof(dlpack::Managed) == 64);
  static_assert(offsetof(dlpack::View, rank) == 16 && offsetof(dlpack::View, dtype) == 20);
  static_assert(offsetof(dlpack::View, byte_offset) == 40 && offsetof(dlpack::Managed, deleter) == 56);
}

TEST_CASE("a tensor is lent out and lives as long as the loan") {
  dlpack::Managed* loan = nullptr;
  const void* memory = nullptr;
  {
    const Tensor x = reshape(arange(60.f), {6, 10});
    const Tensor part = permute_dims(x, {1, 0});
    memory = x.data<char>();
    loan = dlpack::lend(part);
  }
  CHECK(loan->view.data == memory);
  CHECK(
      (loan->view.rank == 2 && loan->view.shape[0] == 10 && loan->view.strides[0] == 1 && loan->view.strides[1] == 10));
  CHECK((loan->view.dtype.code == dlpack::Code::floating && loan->view.dtype.bits == 32));
  const Tensor back = dlpack::take(loan);  // which owns the loan
  CHECK(back.data<char>() == memory);
  CHECK((back.shape() == Shape{10, 6} && back(3, 2).item<float>() == 23));
}

TEST_CASE("every dtype goes out and comes back") {
  for (int i = 0; i < dtype_count; ++i) {
    const Tensor x = zeros({20, 20}, DType(i));
    CHECK(dlpack::take(dlpack::lend(x)).spec() == x.spec());
  }
  const Tensor scalar = dlpack::take(dlpack::lend(Tensor(2.5f)));
  CHECK((scalar.rank() == 0 && scalar.item<float>() == 2.5f));
}

TEST_CASE("foreign memory is taken without a copy and given back once") {
  Foreign f;
  {
    Tensor kept;
    {
      const Tensor x = dlpack::take(&f.managed);
      CHECK(x.data<float>() == f.values);
      CHECK(x(1, 1).item<float>() == 5);
      CHECK((x + x)(2, 0).item<float>() == 6);
      kept = x(2);
    }
    CHECK(f.deleted == 0);
    CHECK(kept.to_vector<float>() == std::vector<float>{3, 6});
  }
  CHECK(f.deleted == 1);
}

TEST_CASE("what tensors cannot be is refused, and stays the caller's") {
  Foreign f;
  f.managed.view.dtype = {dlpack::Code::floating, 32, 4};
  CHECK(refuses<DTypeError>(f));
  f.managed.view.dtype = {};
  f.managed.view.device.type = 2;
  CHECK(refuses<DeviceError>(f));
  f.managed.view.device.type = 1;
  f.managed.view.byte_offset = 2;
  CHECK(refuses<UsageError>(f));
  f.managed.view.byte_offset = 0;
  f.strides[0] = -1;
  CHECK(refuses<ShapeError>(f));
  f.strides[0] = 1;
  f.managed.view.rank = 9;
  CHECK(refuses<ShapeError>(f));
  CHECK_THROWS_AS((void)dlpack::take(nullptr), UsageError);
}
