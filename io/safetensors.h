// safetensors files, both ways. Format: https://github.com/huggingface/safetensors (README, "Format").
#pragma once
#include <tapir/io/named_tensors.h>

#include <string>
#include <utility>
#include <vector>

namespace tapir::io {

/// Texts that travel with the tensors, as safetensors' `__metadata__`.
using Metadata = std::vector<std::pair<std::string, std::string>>;

/// Writes `tensors`, and `metadata` if there is any. dtypes: all, as F32 F64 F16 BF16 I8 U8 I16 I32 I64 BOOL. The file
/// appears whole or not at all: a failure leaves an older file of that name as it was. Throws FileError; UsageError for
/// a name or key that is there twice, is not UTF-8 or is "__metadata__".
void save_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata = {},
                      Where where = Where::current());

/// Reads every tensor, in the order of the file's header. Throws FileError for a dtype that tensors cannot have (U16,
/// F8_E4M3,
/// ...), more than 8 dimensions, and a damaged, truncated or hostile file: nothing that the file claims is believed
/// before it is held against the file's length.
NamedTensors load_safetensors(const std::string& path, Where where = Where::current());

/// Reads the metadata alone, in the order of the file. Errors as for `load_safetensors`.
Metadata load_safetensors_metadata(const std::string& path, Where where = Where::current());

}  // namespace tapir::io
