// ONNX files, from bytes to structs. The format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
#include <tapir/formats/onnx_file.h>
#include <tapir/formats/protobuf_reader.h>
#include <tapir/io/values.h>
#include <tapir/ops/create.h>

#include <fmt/format.h>

namespace tapir::onnx::detail {

using tapir::detail::checked_bytes;
using tapir::detail::InputFile;
using tapir::detail::ProtoReader;

namespace {

// Graphs lie within attributes of nodes of graphs.
constexpr int kDeepest = 32;
// A protocol buffer cannot be larger.
constexpr std::uint64_t kLargest = std::uint64_t(1) << 31;

struct Reading {
  const FileContext& context;
  std::string folder;  // of weights in other files
  int depth = 0;
};

std::string string_of(const ProtoReader& p) { return std::string(p.text()); }

struct TensorFields {
  std::vector<std::int64_t> dims;
  std::int64_t type = 0;
  std::string name;
  std::string_view raw;
  bool has_raw = false, external = false;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::int64_t> ints;
  std::map<std::string, std::string> where;  // in another file
};

TensorFields tensor_fields(std::string_view bytes, const Reading& r) {
  TensorFields t;
  for (ProtoReader p(bytes, r.context); p.next();) switch (p.field()) {
      case 1:
        p.integers(t.dims);
        break;
      case 2:
        t.type = p.integer();
        break;
      case 3:
        r.context.fail("has a tensor in segments, which nobody writes.");
      case 4:
        p.numbers(t.floats);
        break;
      case 5:
      case 7:
      case 11:
        p.integers(t.ints);
        break;
      case 8:
        t.name = string_of(p);
        break;
      case 9:
        t.raw = p.text(), t.has_raw = true;
        break;
      case 10:
        p.numbers(t.doubles);
        break;
      case 13: {
        std::string key, value;
        for (ProtoReader e(p.text(), r.context); e.next();)
          if (e.field() == 1) key = string_of(e);
          else if (e.field() == 2) value = string_of(e);
        t.where[key] = value;
        break;
      }
      case 14:
        t.external = p.integer() == 1;
        break;
      default:
        break;
    }
  return t;
}

std::uint64_t number_of(const std::string& text, const Reading& r, const std::string& what) {
  std::uint64_t v = 0;
  for (char c : text) {
    if (c < '0' || c > '9' || v > (std::uint64_t(1) << 58))
      r.context.fail(what + " lies at \"" + text + "\" of a file.");
    v = v * 10 + std::uint64_t(c - '0');
  }
  return v;
}

// The bytes of a tensor in a file beside the model: its name must not lead out of the folder.
std::string external_bytes(const TensorFields& t, std::uint64_t bytes, const Reading& r, const std::string& what) {
  auto entry = [&](const char* key) {
    auto it = t.where.find(key);
    return it == t.where.end() ? std::string() : it->second;
  };
  const std::string file = entry("location");
  if (r.folder.empty()) r.context.fail(what + " lies in another file, which cannot be read from here.");
  if (file.empty() || file[0] == '/' || ("/" + file + "/").find("/../") != std::string::npos ||
      file.find('\0') != std::string::npos)
    r.context.fail(what + " lies in \"" + file + "\", which is not beside the model.");
  const std::uint64_t offset = number_of(entry("offset"), r, what);
  const std::string length = entry("length");
  if (!length.empty() && number_of(length, r, what) != bytes)
    r.context.fail(fmt::format("{} has {} bytes in \"{}\", its shape asks for {}.", what, length, file, bytes));
  InputFile in({r.context.op, r.folder + "/" + file});
  if (offset > in.size() || bytes > in.size() - offset)
    in.context().fail(fmt::format("{} ends at byte {}, the file at {}.", what, offset + bytes, in.size()));
  std::string out(std::size_t(bytes), '\0');
  in.read_at(offset, out.data(), out.size());
  return out;
}

// Elements of one type as they lie in memory, as elements of ours.
template <class From, class To>
Tensor converted(std::string_view raw, const Shape& shape) {
  std::vector<To> out(raw.size() / sizeof(From));
  for (std::size_t i = 0; i < out.size(); ++i) {
    From v;
    std::memcpy(&v, raw.data() + i * sizeof v, sizeof v);
    out[i] = To(v);
  }
  return Tensor::from_vector(out, shape);
}

template <class T>
void append(std::string& raw, T v) {
  raw.append(reinterpret_cast<const char*>(&v), sizeof v);
}

std::size_t file_size_of(Type type) {
  switch (type) {
    case Type::u16:
      return 2;
    case Type::u32:
      return 4;
    case Type::u64:
      return 8;
    default:
      return 0;  // that of our dtype
  }
}

// The elements of the fields with a type of their own, as raw_data would have them.
std::string raw_of(const TensorFields& t, Type type) {
  std::string raw;
  for (float v : t.floats) append(raw, v);
  for (double v : t.doubles) append(raw, v);
  for (std::int64_t v : t.ints) switch (type) {
      case Type::boolean:
        append(raw, std::uint8_t(v != 0));
        break;
      case Type::u8:
      case Type::i8:
        append(raw, std::uint8_t(v));
        break;
      case Type::u16:
      case Type::i16:
      case Type::f16:
      case Type::bf16:
        append(raw, std::uint16_t(v));
        break;
      case Type::i32:
      case Type::u32:
        append(raw, std::uint32_t(v));
        break;
      default:
        append(raw, v);
    }
  return raw;
}

Tensor tensor_of(std::string_view bytes, const Reading& r, std::string* name = nullptr) {
  const TensorFields t = tensor_fields(bytes, r);
  if (name) *name = t.name;
  const std::string what = "tensor \"" + t.name + "\"";
  const DType dtype = dtype_of(t.type, r.context, what);
  if (t.dims.size() > std::size_t(Shape::max_rank))
    r.context.fail(
        fmt::format("{} has {} dimensions, at most {} are supported.", what, t.dims.size(), int(Shape::max_rank)));
  const Shape shape(t.dims);
  std::uint64_t size = checked_bytes(r.context, shape, dtype, what);
  const auto type = Type(t.type);
  if (const std::size_t in_file = file_size_of(type)) size = size / size_of(dtype) * in_file;
  std::string own;
  std::string_view raw = t.raw;
  if (t.external) raw = own = external_bytes(t, size, r, what);
  else if (!t.has_raw) raw = own = raw_of(t, type);
  if (raw.size() != size)
    r.context.fail(fmt::format("{} {} has {} bytes, its shape asks for {}.", what, shape.str(), raw.size(), size));
  if (type == Type::u16) return converted<std::uint16_t, std::int32_t>(raw, shape);
  if (type == Type::u32) return converted<std::uint32_t, std::int64_t>(raw, shape);
  Tensor out = Tensor::empty(shape, dtype);
  if (dtype == DType::boolean)
    for (std::size_t i = 0; i < raw.size(); ++i) out.mutable_data<std::uint8_t>()[i] = raw[i] != 0;
  else if (!raw.empty()) std::memcpy(out.mutable_data<char>(), raw.data(), raw.size());
  return out;
}

TensorInfo info_of(std::string_view bytes, const Reading& r) {
  TensorInfo info;
  bool tensor = false;
  for (ProtoReader p(bytes, r.context); p.next();) {
    if (p.field() == 1) info.name = string_of(p);
    if (p.field() != 2) continue;
    for (ProtoReader kind(p.text(), r.context); kind.next();) {  // TypeProto
      if (kind.field() != 1) continue;
      tensor = true;
      std::int64_t type = 0;
      for (ProtoReader t(kind.text(), r.context); t.next();) {
        if (t.field() == 1) type = t.integer();
        if (t.field() != 2) continue;
        info.ranked = true;
        for (ProtoReader dims(t.text(), r.context); dims.next();) {
          if (dims.field() != 1) continue;
          std::int64_t size = unknown;
          for (ProtoReader d(dims.text(), r.context); d.next();)
            if (d.field() == 1) size = d.integer();
          if (info.shape.rank() == Shape::max_rank || size < unknown)
            r.context.fail("\"" + info.name + "\" has more than 8 dimensions, or one of a negative size.");
          info.shape.push_back(size);
        }
      }
      if (type) info.dtype = dtype_of(type, r.context, "\"" + info.name + "\"");
    }
    if (!tensor)
      r.context.fail("\"" + info.name + "\" is a sequence, map or optional value; only tensors are supported.");
  }
  return info;
}

Graph graph_of(std::string_view bytes, const Reading& r);

Attribute attribute_of(std::string_view bytes, const Reading& r) {
  Attribute a;
  for (ProtoReader p(bytes, r.context); p.next();) switch (p.field()) {
      case 1:
        a.name = string_of(p);
        break;
      case 2:
        a.number = p.number();
        break;
      case 3:
        a.integer = p.integer();
        break;
      case 4:
        a.text = string_of(p);
        break;
      case 5:
        a.tensor = tensor_of(p.text(), r);
        break;
      case 6:
        a.graph = std::make_shared<const Graph>(graph_of(p.text(), {r.context, r.folder, r.depth + 1}));
        break;
      case 7:
        p.numbers(a.numbers);
        break;
      case 8:
        p.integers(a.integers);
        break;
      case 9:
        a.text += string_of(p) + "\n";
        break;  // a list of texts, one a line
      case 21:
      case 22:
        r.context.fail("attribute \"" + a.name +
                       "\" refers to that of a function or is sparse, which is not supported.");
      default:
        break;
    }
  return a;
}

Node node_of(std::string_view bytes, const Reading& r) {
  Node n;
  for (ProtoReader p(bytes, r.context); p.next();) switch (p.field()) {
      case 1:
        n.in.push_back(string_of(p));
        break;
      case 2:
        n.out.push_back(string_of(p));
        break;
      case 3:
        n.name = string_of(p);
        break;
      case 4:
        n.op = string_of(p);
        break;
      case 5:
        n.attributes.push_back(attribute_of(p.text(), r));
        break;
      case 7:
        n.domain = string_of(p);
        break;
      default:
        break;
    }
  if (n.domain == "ai.onnx") n.domain.clear();
  return n;
}

Graph graph_of(std::string_view bytes, const Reading& r) {
  if (r.depth > kDeepest) r.context.fail(fmt::format("has graphs within graphs, more than {} deep.", kDeepest));
  Graph g;
  for (ProtoReader p(bytes, r.context); p.next();) switch (p.field()) {
      case 1:
        g.nodes.push_back(node_of(p.text(), r));
        break;
      case 5: {
        std::string name;
        Tensor value = tensor_of(p.text(), r, &name);
        g.constants.emplace_back(name, value);
        break;
      }
      case 11:
        g.inputs.push_back(info_of(p.text(), r));
        break;
      case 12:
        g.outputs.push_back(info_of(p.text(), r));
        break;
      case 15:
        r.context.fail("has sparse weights, which are not supported.");
      default:
        break;
    }
  return g;
}

}  // namespace

DType dtype_of(std::int64_t type, const FileContext& context, const std::string& what) {
  switch (Type(type)) {
    case Type::f32:
      return DType::f32;
    case Type::u8:
      return DType::u8;
    case Type::i8:
      return DType::i8;
    case Type::i16:
      return DType::i16;
    case Type::u16:
    case Type::i32:
      return DType::i32;
    case Type::u32:
    case Type::u64:
    case Type::i64:
      return DType::i64;
    case Type::boolean:
      return DType::boolean;
    case Type::f16:
      return DType::f16;
    case Type::f64:
      return DType::f64;
    case Type::bf16:
      return DType::bf16;
    default:
      context.fail(
          fmt::format("{} has elements of ONNX type {}, which is not supported (text, complex numbers and types of "
                      "less than 16 bits are not).",
                      what, type));
  }
}

Type type_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return Type::f32;
    case DType::f64:
      return Type::f64;
    case DType::f16:
      return Type::f16;
    case DType::bf16:
      return Type::bf16;
    case DType::i8:
      return Type::i8;
    case DType::u8:
      return Type::u8;
    case DType::i16:
      return Type::i16;
    case DType::i32:
      return Type::i32;
    case DType::i64:
      return Type::i64;
    case DType::boolean:
      return Type::boolean;
  }
  return Type::none;
}

const Attribute* Node::find(std::string_view attribute) const {
  for (auto& a : attributes)
    if (a.name == attribute) return &a;
  return nullptr;
}

File parse_file(std::string_view bytes, const std::string& folder, const FileContext& context) {
  const Reading r{context, folder};
  File file;
  bool graph = false;
  for (ProtoReader p(bytes, context); p.next();) switch (p.field()) {
      case 7:
        if (graph) context.fail("has two graphs.");
        file.graph = graph_of(p.text(), r);
        graph = true;
        break;
      case 8: {
        std::string domain;
        std::int64_t version = 0;
        for (ProtoReader o(p.text(), context); o.next();)
          if (o.field() == 1) domain = string_of(o);
          else if (o.field() == 2) version = o.integer();
        file.opsets[domain == "ai.onnx" ? "" : domain] = version;
        break;
      }
      case 25:
        context.fail(
            "has functions of its own, which are not supported. Inline them first: "
            "onnx.inliner.inline_local_functions(model).");
      default:
        break;
    }
  if (!graph) context.fail("is no ONNX model: it has no graph.");
  return file;
}

Tensor parse_tensor(std::string_view bytes, const FileContext& context) { return tensor_of(bytes, {context, ""}); }

std::string read_all(const FileContext& context) {
  InputFile in(context);
  if (in.size() >= kLargest)
    context.fail(fmt::format("has {} bytes; a protocol buffer has less than 2 GB.", in.size()));
  std::string bytes(std::size_t(in.size()), '\0');
  in.read_at(0, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace tapir::onnx::detail
