#include <tapir/io/npy.h>
#include <tapir/io/npy_header.h>
#include <tapir/io/output_file.h>
#include <tapir/io/values.h>
#include <tapir/io/zip.h>

#include <fmt/format.h>

#include <set>

namespace tapir::io {

using namespace detail;

// u2, u4 and u8 are read as the signed type of their width and widened from its bits.
template <class Wide, class Narrow>
static Tensor widen(const Tensor& raw) {
  Tensor out = Tensor::empty(raw.shape(), dtype_of<Wide>());
  auto* p = raw.data<Narrow>();
  auto* q = out.mutable_data<Wide>();
  for (std::int64_t i = 0; i < raw.size(); ++i) q[i] = Wide(p[i]);
  return out;
}

static Tensor from_unsigned(const FileContext& context, const Tensor& raw) {
  if (raw.dtype() == DType::i16) return widen<std::int32_t, std::uint16_t>(raw);
  if (raw.dtype() == DType::i32) return widen<std::int64_t, std::uint32_t>(raw);
  auto* p = raw.data<std::int64_t>();
  for (std::int64_t i = 0; i < raw.size(); ++i)
    if (p[i] < 0)
      context.fail(fmt::format("holds unsigned 64-bit integers, and {} does not fit i64.", std::uint64_t(p[i])));
  return raw;
}

static Tensor read_npy(ByteSource& in) {
  NpyHeader header = read_npy_header(in);
  checked_bytes(in.context(), header.shape, header.dtype, "the array");
  Shape stored = header.shape;
  if (header.fortran_order)
    for (int i = 0, r = stored.rank(); i < r; ++i) stored[i] = header.shape[r - 1 - i];
  Tensor t = read_values(in, stored, header.dtype, header.big_endian, "the array");
  in.expect_end();
  if (header.is_unsigned) t = from_unsigned(in.context(), t);
  if (!header.fortran_order) return t;
  Shape strides = contiguous_strides(stored), reversed = strides;
  for (int i = 0, r = strides.rank(); i < r; ++i) reversed[i] = strides[r - 1 - i];
  return dense_on_cpu(t.view_as(header.shape, reversed), "load_npy", "");
}

Tensor load_npy(const std::string& path, Where where) {
  CallSite site(where);
  InputFile file({"load_npy", path});
  FileSource in(file);
  return read_npy(in);
}

void save_npy(const std::string& path, const Tensor& x, Where where) {
  CallSite site(where);
  Tensor dense = dense_on_cpu(x, "save_npy", "");
  OutputFile file({"save_npy", path});
  file.write(npy_header_of(dense.spec()));
  file.write(dense.data<std::byte>(), std::size_t(dense.size()) * size_of(dense.dtype()));
  file.commit();
}

NamedTensors load_npz(const std::string& path, Where where) {
  CallSite site(where);
  InputFile file({"load_npz", path});
  NamedTensors tensors;
  const std::string suffix = ".npy";
  for (auto& member : read_zip_directory(file)) {
    if (!member.name.ends_with(suffix))
      file.context().fail(fmt::format("member {} is not an array, its name does not end in .npy.", member.name));
    auto in = open_zip_member(file, member);
    tensors.emplace_back(member.name.substr(0, member.name.size() - suffix.size()), read_npy(*in));
  }
  return tensors;
}

static void check_names(const NamedTensors& tensors) {
  constexpr std::size_t longest = 65535 - 4;  // the format's limit, less ".npy"
  std::set<std::string> seen;
  for (auto& [name, tensor] : tensors) {
    if (name.find('\0') != std::string::npos) throw UsageError("save_npz: a name has a NUL byte in it.");
    if (name.size() > longest)
      throw UsageError(
          fmt::format("save_npz: a name is {} bytes long, at most {} are possible.", name.size(), longest));
    if (!seen.insert(name).second) throw UsageError(fmt::format("save_npz: two tensors are named \"{}\".", name));
  }
}

void save_npz(const std::string& path, const NamedTensors& tensors, NpzOptions options, Where where) {
  CallSite site(where);
  check_names(tensors);
  for (auto& [name, tensor] : tensors) check_has_value(tensor, "save_npz", name);
  OutputFile file({"save_npz", path});
  ZipWriter zip(file);
  for (auto& [name, tensor] : tensors) {
    Tensor dense = dense_on_cpu(tensor, "save_npz", name);
    std::string header = npy_header_of(dense.spec());
    zip.add(
        name + ".npy",
        {{header.data(), header.size()}, {dense.data<std::byte>(), std::size_t(dense.size()) * size_of(dense.dtype())}},
        options.compress);
  }
  zip.finish();
  file.commit();
}

}  // namespace tapir::io
