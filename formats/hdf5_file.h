// HDF5 files as bytes: a file is read from memory, and made there, so that a file on disk and a member of an archive
// are one thing. Internal to formats/.
#pragma once
#include <tapir/io/named_tensors.h>
#include <tapir/io/source.h>

#include <string>
#include <vector>

namespace tapir::detail {

/// Every dataset that a tensor can hold, by path. Links out of the file, filters that are no part of the HDF5 library
/// and storage in other files are refused; a dataset may not claim more than its bytes in the file can expand to.
io::NamedTensors read_hdf5(const FileContext& context, const std::string& bytes);

/// A text attribute of a group.
struct Hdf5Text {
  std::string group, name, text;
};
/// The bytes of an HDF5 file with these datasets; groups of `texts` that hold none are made too.
std::string make_hdf5(const FileContext& context, const io::NamedTensors& tensors,
                      const std::vector<Hdf5Text>& texts = {});

/// The bytes that are left in `in`, no more than `limit`.
std::string read_all(ByteSource& in, const char* what);

}  // namespace tapir::detail
