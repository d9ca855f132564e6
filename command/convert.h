// `tapir convert`: models and weights from one format into another, by libtapir_formats, which is opened when asked
// for.
#pragma once
#include <tapir/formats/convert.h>

namespace tapir::command {

/// What was written, in a line. Throws Failure if the library is not there; Error.
std::string convert_file(const std::string& from, const std::string& to, const formats::ConvertOptions& options);

}  // namespace tapir::command
