#include <tapir/io/dlpack.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <vector>

namespace tapir::dlpack {
namespace {

DataType type_of(DType d) {
  const auto bits = std::uint8_t(size_of(d) * 8);
  if (d == DType::boolean) return {Code::boolean, 8, 1};
  if (d == DType::bf16) return {Code::bfloat, 16, 1};
  if (is_floating(d)) return {Code::floating, bits, 1};
  return {d == DType::u8 ? Code::unsigned_integer : Code::integer, bits, 1};
}

std::optional<DType> dtype_of(DataType t) {
  for (int i = 0; i < dtype_count; ++i) {
    const DataType known = type_of(DType(i));
    if (known.code == t.code && known.bits == t.bits && known.lanes == t.lanes) return DType(i);
  }
  return {};
}

// A tensor on loan, with the arrays that its view points to.
struct Loan {
  Tensor tensor;
  std::vector<std::int64_t> shape, strides;
  Managed managed;
};

}  // namespace

Managed* lend(const Tensor& x, Where where) {
  CallSite site(where);
  if (!x.has_data()) throw UsageError("dlpack::lend: the tensor has no value here; it is part of a trace.");
  if (x.device() != Device::cpu())
    throw DeviceError(
        fmt::format("dlpack::lend: the tensor is on {}. Call x.to(Device::cpu()) first.", x.device().str()));
  auto loan = std::make_unique<Loan>();
  loan->tensor = x;
  loan->shape = x.shape().to_vector();
  loan->strides = x.strides().to_vector();
  View& v = loan->managed.view;
  v.data = const_cast<std::byte*>(x.data<std::byte>());
  v.rank = x.rank();
  v.dtype = type_of(x.dtype());
  v.shape = loan->shape.data();
  v.strides = loan->strides.data();
  loan->managed.context = loan.get();
  loan->managed.deleter = [](Managed* self) { delete static_cast<Loan*>(self->context); };
  return &loan.release()->managed;
}

Tensor take(Managed* given, Where where) {
  CallSite site(where);
  if (!given) throw UsageError("dlpack::take: the pointer is null.");
  const View& v = given->view;
  if (v.device.type != 1)
    throw DeviceError(
        fmt::format("dlpack::take: the memory is on device type {}; only the CPU's (1) is taken.", v.device.type));
  const std::optional<DType> dtype = dtype_of(v.dtype);
  if (!dtype)
    throw DTypeError(fmt::format("dlpack::take: there is no dtype of code {}, {} bits and {} lanes.", int(v.dtype.code),
                                 v.dtype.bits, v.dtype.lanes));
  if (v.rank < 0 || v.rank > Shape::max_rank)
    throw ShapeError(fmt::format("dlpack::take: {} dimensions; tensors have at most {}.", v.rank, Shape::max_rank));
  Shape shape = Shape::filled(v.rank, 0);
  for (int d = 0; d < v.rank; ++d)
    if ((shape[d] = v.shape[d]) < 0)
      throw ShapeError(fmt::format("dlpack::take: size {} of dimension {} is negative.", v.shape[d], d));
  Shape strides = contiguous_strides(shape);
  std::int64_t reach = shape.size() == 0 ? 0 : 1;  // elements from the first to the last
  for (int d = 0; d < v.rank; ++d) {
    if (v.strides && (strides[d] = v.strides[d]) < 0)
      throw ShapeError(
          fmt::format("dlpack::take: stride {} of dimension {} is negative. Copy it there first.", v.strides[d], d));
    if (reach > 0) reach += (shape[d] - 1) * strides[d];
  }
  auto* data = static_cast<std::byte*>(v.data) + v.byte_offset;
  if (reach > 0 && reinterpret_cast<std::uintptr_t>(data) % size_of(*dtype) != 0)
    throw UsageError(fmt::format("dlpack::take: the memory is not aligned to {} bytes.", size_of(*dtype)));
  auto release = [](void* context) {
    auto* self = static_cast<Managed*>(context);
    if (self->deleter) self->deleter(self);
  };
  const bool plain = !v.strides || strides == contiguous_strides(shape) || reach == 0;
  const Tensor all = Tensor::from_external(data, plain ? shape : Shape{reach}, *dtype, release, given);
  return plain ? all : all.view_as(shape, strides);
}

}  // namespace tapir::dlpack
