// HDF5 files: the tensors in them, by path.
#pragma once
#include <tapir/io/named_tensors.h>

#include <string>

namespace tapir::formats {

/// Reads one dataset, "layers/dense/vars/0", as a contiguous tensor of its shape. dtypes: f64, f32, f16, bf16 (as
/// ml_dtypes stores it), i8, u8, i16, i32, i64 and h5py's bool, of either byte order; u16 as i32 and u32 as i64. Throws
/// FileError for any other (text, records), more than 8 dimensions, if there is no such dataset, and for a damaged
/// file.
Tensor load_hdf5(const std::string& path, const std::string& dataset, Where where = Where::current());

/// Reads every dataset that tensors can hold, named by its path, in the order in which groups list them (by name).
/// Others are passed over. Throws FileError.
io::NamedTensors load_hdf5(const std::string& path, Where where = Where::current());

/// Writes `tensors` as datasets; a name "a/b/0" makes the groups a and a/b. The file appears whole or not at all.
/// Throws FileError; UsageError for names that are there twice, empty, or both a group and a dataset.
void save_hdf5(const std::string& path, const io::NamedTensors& tensors, Where where = Where::current());

}  // namespace tapir::formats
