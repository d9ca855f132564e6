// The header of a .npy array: magic, version, and a Python dictionary. Internal to io/.
// Format: NumPy Enhancement Proposal 1 and numpy.lib.format, versions 1.0, 2.0 and 3.0.
#pragma once
#include <tapir/io/source.h>
#include <tapir/tensor/tensor.h>

namespace tapir::detail {

struct NpyHeader {
  Shape shape;
  DType dtype = DType::f32;  // for unsigned integers without a twin: the signed type of that width
  bool is_unsigned = false;
  bool big_endian = false;
  bool fortran_order = false;
};

/// Reads it from the beginning of an array. Throws FileError.
NpyHeader read_npy_header(ByteSource& in);
/// What numpy.save writes before such an array.
std::string npy_header_of(const TensorSpec& spec);

}  // namespace tapir::detail
