// Copying strided memory of one dtype within the current device.
#pragma once
#include <tapir/tensor/tensor.h>

namespace tapir::cuda {

/// As cpu::copy_strided: every element of `shape`, items of 1, 2, 4 or 8 bytes; strides count elements.
void copy_strided(void* to, const Shape& to_strides, const void* from, const Shape& from_strides, const Shape& shape,
                  std::size_t item);
/// `bytes` zeros.
void clear(void* to, std::size_t bytes);

}  // namespace tapir::cuda
