// NumPy's .npy and .npz files, both ways. numpy.load reads what is written here, and the other way round.
#pragma once
#include <tapir/io/named_tensors.h>

#include <string>

namespace tapir::io {

/// Reads a .npy file (versions 1 to 3, either byte order, C or Fortran order) into a contiguous tensor of the file's
/// shape. dtypes: f2 f4 f8, i1 u1 i2 i4 i8 and b1 as they are; u2 as i32 and u4 as i64; u8 as i64 if every value fits;
/// V2, which is how NumPy stores ml_dtypes' bfloat16, as bf16. Throws FileError for anything else (complex, text,
/// records, objects), for a damaged or truncated file, and for more than 8 dimensions.
Tensor load_npy(const std::string& path, Where where = Where::current());

/// Writes `x` as .npy, byte for byte as numpy.save does; bf16 as `V2`, to be read with `.view(ml_dtypes.bfloat16)`. The
/// file appears whole or not at all: a failure leaves an older file of that name as it was. Throws FileError.
void save_npy(const std::string& path, const Tensor& x, Where where = Where::current());

/// Reads a .npz file, stored or deflated, in the order of its list of members; a member "x.npy" is named "x". dtypes
/// and errors as for `load_npy`; checksums are checked.
NamedTensors load_npz(const std::string& path, Where where = Where::current());

struct NpzOptions {
  bool compress = false;  ///< deflate the members, as numpy.savez_compressed does
};

/// Writes `tensors` as .npz, in the given order; whole or not at all, as `save_npy`. Throws FileError, or UsageError
/// for a name that is there twice or has a NUL byte.
void save_npz(const std::string& path, const NamedTensors& tensors, NpzOptions options = {},
              Where where = Where::current());

}  // namespace tapir::io
