// Tensors as plain bytes: what every format's data section is made of. Internal to io/ and data/.
#pragma once
#include <tapir/io/source.h>
#include <tapir/tensor/tensor.h>

namespace tapir::detail {

/// How many bytes such a tensor takes. Fails, naming `what`, where sizes are negative or no memory could hold it.
std::uint64_t checked_bytes(const FileContext& context, const Shape& shape, DType dtype, const std::string& what);

/// A tensor of the next bytes, row-major. Refuses a shape that `in` cannot hold before it allocates. Any bool byte but
/// 0 is true.
Tensor read_values(ByteSource& in, const Shape& shape, DType dtype, bool big_endian, const std::string& what);

/// Throws UsageError `op: tensor "name" ...` if `x` is undefined or has no value (a trace).
void check_has_value(const Tensor& x, const char* op, const std::string& name);
/// The same value contiguous and on the CPU. Checks as `check_has_value` does.
Tensor dense_on_cpu(const Tensor& x, const char* op, const std::string& name);

}  // namespace tapir::detail
