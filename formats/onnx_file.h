// What an ONNX file says, as structs: the message types of onnx.proto as far as they are used. Internal to formats/.
#pragma once
#include <tapir/formats/onnx.h>
#include <tapir/io/source.h>

#include <map>
#include <string_view>

namespace tapir::onnx::detail {

using tapir::detail::FileContext;

/// TensorProto.DataType
enum class Type { none, f32, u8, i8, u16, i16, i32, i64, string, boolean, f16, f64, u32, u64, c64, c128, bf16 };
/// Ours, u16 as i32 and u32 and u64 as i64. Throws FileError for text, complex numbers and what came later.
DType dtype_of(std::int64_t type, const FileContext& context, const std::string& what);
/// The other way.
Type type_of(DType dtype);

struct Graph;
struct Attribute {
  std::string name, text;
  float number = 0;
  std::int64_t integer = 0;
  Tensor tensor;
  std::shared_ptr<const Graph> graph;
  std::vector<float> numbers;
  std::vector<std::int64_t> integers;
};
struct Node {
  std::string name, op, domain;
  std::vector<std::string> in, out;
  std::vector<Attribute> attributes;
  /// Null if there is none.
  const Attribute* find(std::string_view attribute) const;
};
struct Graph {
  std::vector<Node> nodes;
  io::NamedTensors constants;
  std::vector<TensorInfo> inputs, outputs;
};
struct File {
  Graph graph;
  std::map<std::string, std::int64_t> opsets;  // by domain
};

/// Parses a model; `folder` is where weights in other files lie, empty if there must be none. Throws FileError.
File parse_file(std::string_view bytes, const std::string& folder, const FileContext& context);
/// Parses one TensorProto.
Tensor parse_tensor(std::string_view bytes, const FileContext& context);
/// All of a file. Throws FileError.
std::string read_all(const FileContext& context);

}  // namespace tapir::onnx::detail
