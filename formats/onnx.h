// ONNX models: read, run, trained further, written. docs/moving_models.md lists the operators.
#pragma once
#include <tapir/graph/function.h>
#include <tapir/io/named_tensors.h>

#include <memory>
#include <string>
#include <vector>

namespace tapir::onnx {

namespace detail {
struct Program;
}

/// An input or output of a model.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  bool ranked = false;  ///< does the file say the rank?
  Shape shape;          ///< `unknown` where the file gives a name or nothing
};

struct LoadOptions {
  bool trainable = false;  ///< weights become Variables: weights() lists them
};

/// A weight and its name in the file.
struct Weight {
  std::string name;
  Variable variable;
};

/// A model of a file. Runs op by op through the public operations, so that tapes record it, and within function(),
/// where it becomes part of the trace. Shapes that are computed from tensors must be known in a trace. Copies share
/// weights.
class Model {
 public:
  /// What a call takes: the graph's inputs without those that have a value in the file.
  const std::vector<TensorInfo>& inputs() const;
  const std::vector<TensorInfo>& outputs() const;
  /// The values of outputs() for those of inputs(), in their order. dtypes must be those of inputs(). Throws UsageError
  /// for another count, DTypeError, ShapeError, and what the operations throw.
  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs, Where where = Where::current()) const;
  /// The same by name: `model({{"x", x}, {"mask", m}})`, in any order. Throws UsageError for a name that is none.
  io::NamedTensors operator()(const io::NamedTensors& inputs, Where where = Where::current()) const;
  /// The floating weights, if the model was loaded as `trainable`; the statistics of batch normalisation are not
  /// trainable ones.
  const std::vector<Weight>& weights() const;
  /// The version of ONNX's operators that the file asks for.
  int opset() const;

 private:
  friend Model load(const std::string&, const LoadOptions&, Where);
  friend Model parse(std::string_view, const LoadOptions&, Where);
  explicit Model(std::shared_ptr<const detail::Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const detail::Program> program_;
};

/// Reads a model of opset 1 to 21. Weights may lie in other files of the same folder, as ONNX does it over 2 GB. u16 is
/// read as i32, u32 and u64 as i64. Throws FileError for a file that is damaged, and for operators, types and functions
/// that are not supported: it names all of the operators.
Model load(const std::string& path, const LoadOptions& options = {}, Where where = Where::current());
/// The same from memory; weights cannot lie in other files.
Model parse(std::string_view bytes, const LoadOptions& options = {}, Where where = Where::current());

/// Reads one tensor, a `TensorProto` as ONNX's own tests have them (.pb). Throws FileError.
Tensor load_tensor(const std::string& path, Where where = Where::current());

struct SaveOptions {
  std::vector<std::string> inputs = {},
                           outputs = {};  ///< names; empty: "input", or "input_0" and so on if there are several
};

/// Writes a trace as an ONNX model of opset 17: `onnx::save("net.onnx", f.get_concrete({TensorSpec({unknown, 28, 28,
/// 1})}))`. Variables become weights with their present values and names; unknown sizes stay open. The shapes are those
/// of the function: images stay [N, H, W, C]. The file appears whole or not at all. Throws UsageError for an operation
/// that has no row (all of them are named), for a function that assigns Variables, and for names that do not fit;
/// FileError.
void save(const std::string& path, const tapir::detail::ConcreteCore& f, const SaveOptions& options = {},
          Where where = Where::current());
/// tapir's operations that save() can write, by name.
std::vector<std::string> saved_operations();

/// An operator that load() takes, and since and until which opset; 0: no end.
struct OperatorInfo {
  std::string name;
  int since = 1, until = 0;
};
/// By name.
std::vector<OperatorInfo> operators();

}  // namespace tapir::onnx
