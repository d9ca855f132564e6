// The JSON header of a safetensors file. Internal to io/.
#pragma once
#include <tapir/io/safetensors.h>
#include <tapir/io/source.h>

namespace tapir::detail {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  Shape shape = {};
  std::uint64_t begin = 0, end = 0;  // in the data, which starts after the header
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of the text
  io::Metadata metadata;
  std::uint64_t data_at = 0;  // in the file
};

/// Reads and checks it: sizes fit dtypes and shapes, and the tensors fill the data without gap or overlap. Throws
/// FileError.
SafetensorsHeader read_safetensors_header(const InputFile& file);
/// Length and text. Throws UsageError, naming `op`, for text that is not UTF-8.
std::string safetensors_header_text(const char* op, const std::vector<SafetensorsEntry>& entries,
                                    const io::Metadata& metadata);

}  // namespace tapir::detail
