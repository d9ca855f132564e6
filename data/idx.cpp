#include <tapir/data/idx.h>
#include <tapir/io/source.h>
#include <tapir/io/values.h>

#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <memory>

namespace tapir::data {

using namespace detail;

static DType dtype_of_code(const FileContext& context, int code) {
  switch (code) {
    case 0x08:
      return DType::u8;
    case 0x09:
      return DType::i8;
    case 0x0b:
      return DType::i16;
    case 0x0c:
      return DType::i32;
    case 0x0d:
      return DType::f32;
    case 0x0e:
      return DType::f64;
    default:
      context.fail(fmt::format("is not an IDX file, it says type 0x{:02x}.", code));
  }
}

// Two zero bytes, the type, the number of dimensions, then the sizes and the values, all big-endian.
static Tensor read_idx_from(ByteSource& in) {
  unsigned char start[4], size[4];
  in.read(start, sizeof start, "the IDX magic");
  if (start[0] != 0 || start[1] != 0) in.context().fail("is not an IDX file, it does not begin with two zero bytes.");
  DType dtype = dtype_of_code(in.context(), start[2]);
  if (start[3] > Shape::max_rank)
    in.context().fail(fmt::format("has {} dimensions; a tensor has at most {}.", start[3], Shape::max_rank));
  Shape shape;
  for (int i = 0; i < start[3]; ++i) {
    in.read(size, sizeof size, "the IDX sizes");
    shape.push_back(std::int64_t(size[0]) << 24 | size[1] << 16 | size[2] << 8 | size[3]);
  }
  Tensor t = read_values(in, shape, dtype, true, "the array");
  in.expect_end();
  return t;
}

static Tensor read_idx_file(const FileContext& context) {
  InputFile file(context);
  FileSource plain(file);
  unsigned char magic[2] = {};
  if (file.size() >= 2) file.read_at(0, magic, 2);
  if (magic[0] != 0x1f || magic[1] != 0x8b) return read_idx_from(plain);
  InflateSource expanded(plain, Deflate::gzip);
  return read_idx_from(expanded);
}

Tensor read_idx(const std::string& path, Where where) {
  CallSite site(where);
  return read_idx_file({"read_idx", path});
}

static FileContext find_file(const std::string& folder, const std::string& name) {
  std::string path = folder + "/" + name, dotted = path;  // "train-images.idx3-ubyte", as some unpack them
  dotted[dotted.rfind("-idx")] = '.';
  for (auto& candidate : {path, path + ".gz", dotted, dotted + ".gz"})
    if (::access(candidate.c_str(), F_OK) == 0) return {"load_idx", candidate};
  bool folder_there = ::access(folder.c_str(), F_OK) == 0;
  FileContext{"load_idx", folder}.fail(folder_there
                                           ? fmt::format("has neither {0} nor {0}.gz.", name)
                                           : fmt::format("no such folder; looked for {0} or {0}.gz in it.", name));
}

static Tensor to_unit_range(const Tensor& bytes) {
  Tensor out = Tensor::empty(bytes.shape().concat({1}), DType::f32);
  auto* p = bytes.data<std::uint8_t>();
  auto* q = out.mutable_data<float>();
  for (std::int64_t i = 0; i < bytes.size(); ++i) q[i] = float(p[i]) / 255.0f;
  return out;
}

static Tensor to_i64(const Tensor& bytes) {
  Tensor out = Tensor::empty(bytes.shape(), DType::i64);
  auto* p = bytes.data<std::uint8_t>();
  auto* q = out.mutable_data<std::int64_t>();
  for (std::int64_t i = 0; i < bytes.size(); ++i) q[i] = p[i];
  return out;
}

static Tensor read_bytes(const FileContext& context, int rank, const char* what) {
  Tensor t = read_idx_file(context);
  if (t.dtype() != DType::u8 || t.rank() != rank)
    context.fail(
        fmt::format("{} are u8 of rank {}, but it holds {} {}.", what, rank, name_of(t.dtype()), t.shape().str()));
  return t;
}

ImageSet load_idx(const std::string& folder, const std::string& prefix, Where where) {
  CallSite site(where);
  FileContext images = find_file(folder, prefix + "-images-idx3-ubyte");
  FileContext labels = find_file(folder, prefix + "-labels-idx1-ubyte");
  ImageSet set{to_unit_range(read_bytes(images, 3, "images")), to_i64(read_bytes(labels, 1, "labels"))};
  if (set.images.shape()[0] != set.labels.size())
    labels.fail(fmt::format("has {} labels, but there are {} images.", set.labels.size(), set.images.shape()[0]));
  return set;
}

TrainTest load_mnist(const std::string& folder, Where where) {
  CallSite site(where);
  return {load_idx(folder, "train"), load_idx(folder, "t10k")};
}

}  // namespace tapir::data
