// A graph of an ONNX file made ready to run: names became numbers, operators rows. Internal to formats/.
#pragma once
#include <tapir/formats/onnx_call.h>

namespace tapir::onnx::detail {

/// A node: reads and writes numbered places. `dead`: which places nobody reads afterwards.
struct Step {
  const Row* row = nullptr;
  Node node;
  std::vector<int> in, out, dead;                                              // -1: left out
  std::vector<std::pair<std::string, std::shared_ptr<const Program>>> bodies;  // of If, Loop, Scan
  std::vector<std::vector<int>> captured;                                      // what each body reads of this graph
};

struct Program {
  FileContext context;
  int opset = 0, places = 0;
  std::vector<TensorInfo> inputs, outputs;
  std::vector<int> input_places, output_places, captured_places;
  std::vector<std::pair<int, Tensor>> constants;
  std::vector<std::pair<int, Variable>> variables;
  std::vector<Step> steps;
  std::vector<Weight> weights;  // of bodies too

  /// `captured`: values of the graph around this one, as Step::captured says.
  std::vector<Tensor> run(std::span<const Tensor> inputs, std::span<const Tensor> captured = {}) const;
};

/// Throws FileError for operators that are not supported and names that nothing makes.
std::shared_ptr<const Program> program_of(File file, const LoadOptions& options, const FileContext& context);

}  // namespace tapir::onnx::detail
