// One file into another: what `tapir convert` does.
#pragma once
#include <tapir/tensor/where.h>

#include <cstdint>
#include <string>

namespace tapir::formats {

struct ConvertOptions {
  bool weights = false;           ///< into .safetensors: tensors alone, though the file has a computation too
  std::string like = "";          ///< a .keras file whose model takes the weights of a file that has no more than these
  std::string function = "";      ///< of a saved file with several functions, the one of this name
  std::int64_t unknown_size = 0;  ///< what stands for None in the shapes of Keras's inputs
};

/// Reads `from` and writes `to`; their endings say what they are. Gives one line that says what was written.
///
/// Have a computation: .keras (Keras 3), .onnx, and .safetensors or .tapir if a function was saved there. Tensors
/// alone: .h5 (.weights.h5: Keras's weights), .npz, .safetensors of Model::save, save_weights or others. Writing: .onnx
/// and .tapir take a computation; .safetensors either, the computation if there is one; .npz and .h5 the tensors;
/// .keras and .weights.h5 a Keras model, or `like` one. A computation is traced for a batch of any size. Throws
/// FileError; UsageError for what cannot become that.
std::string convert(const std::string& from, const std::string& to, const ConvertOptions& options = {},
                    Where where = Where::current());

}  // namespace tapir::formats

/// The same for who opens this library at run time, as the command does: it depends on no library that this one needs.
extern "C" void tapir_formats_convert(const std::string& from, const std::string& to,
                                      const tapir::formats::ConvertOptions& options, std::string& said);
