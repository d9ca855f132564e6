// Copying between strided arrays of one dtype: what contiguous(), concat, split, pad and roll stand on.
#pragma once
#include <tapir/tensor/shape.h>

#include <cstddef>

namespace tapir::cpu {

/// Copies every element of `shape`, items of 1, 2, 4 or 8 bytes. Strides count elements; those of `from` may be zero or
/// negative, elements of `to` must not overlap. Transposes go through cache-line tiles. Large copies use several
/// threads.
void copy_strided(std::byte* to, const Shape& to_strides, const std::byte* from, const Shape& from_strides,
                  const Shape& shape, std::size_t item);

/// `n` items of `item` bytes, each a copy of *value; several threads if it is worth it.
void fill_items(std::byte* to, const void* value, std::int64_t n, std::size_t item);

}  // namespace tapir::cpu
