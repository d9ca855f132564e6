// DLPack, in which libraries hand tensors to each other without a copy. Not part of <tapir/tapir.h>.
// Format: https://dmlc.github.io/dlpack (version 0.x and the unversioned struct of 1.x).
#pragma once
#include <tapir/tensor/tensor.h>

#include <cstdint>

namespace tapir::dlpack {

/// What tensors are made of; as kDLInt, kDLUInt, ...
enum class Code : std::uint8_t { integer = 0, unsigned_integer = 1, floating = 2, bfloat = 4, boolean = 6 };

/// As DLDataType.
struct DataType {
  Code code = Code::floating;
  std::uint8_t bits = 32;
  std::uint16_t lanes = 1;
};
/// As DLDevice; type 1 is the CPU.
struct DeviceOf {
  std::int32_t type = 1, id = 0;
};
/// As DLTensor.
struct View {
  void* data = nullptr;
  DeviceOf device;
  std::int32_t rank = 0;
  DataType dtype;
  std::int64_t* shape = nullptr;
  std::int64_t* strides = nullptr;  ///< in elements; null: row-major
  std::uint64_t byte_offset = 0;
};
/// As DLManagedTensor, byte for byte: `reinterpret_cast<DLManagedTensor*>` is what other libraries take.
struct Managed {
  View view;
  void* context = nullptr;
  void (*deleter)(Managed* self) = nullptr;
};

/// Lends `x` out: the memory is that of `x`, strides and all, and lives until the taker calls the deleter. Nobody may
/// write to it, since other tensors may share it. Throws UsageError for a value that is not there (a trace),
/// DeviceError for one that is not on the CPU.
Managed* lend(const Tensor& x, Where where = Where::current());

/// A tensor over the memory of `given`, without a copy; `given` is deleted when the last user is gone. The memory must
/// not change meanwhile. dtypes: f16 f32 f64 bf16, i8 u8 i16 i32 i64, bool. Throws, and leaves `given` to the caller:
/// DTypeError for any other, DeviceError for memory that is not the CPU's, ShapeError for more than 8 dimensions or
/// negative sizes or strides, UsageError for null or memory that is not aligned to its elements.
Tensor take(Managed* given, Where where = Where::current());

}  // namespace tapir::dlpack
