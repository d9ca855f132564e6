#define H5_USE_110_API
#include <tapir/formats/apart.h>
#include <tapir/formats/hdf5.h>
#include <tapir/formats/hdf5_file.h>
#include <tapir/io/output_file.h>
#include <tapir/io/values.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <mutex>
#include <set>

namespace tapir::detail {
namespace {

// The library may be built without locks, and prints its errors unless told not to; both for one call of ours.
class Quiet {
 public:
  Quiet() : lock_(mutex()) {
    H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Quiet() {
    H5Eclear2(H5E_DEFAULT);
    H5Eset_auto2(H5E_DEFAULT, print_, data_);
  }

 private:
  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  std::lock_guard<std::mutex> lock_;
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

// A name for a file in memory; the library refuses one that there is on the disk.
constexpr const char* kInMemory = "/dev/null/hdf5";

// An identifier of the library, given back at the end.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(Handle&& h) noexcept : id_(h.id_), close_(h.close_) { h.id_ = -1; }
  Handle& operator=(Handle&&) = delete;
  operator hid_t() const { return id_; }
  bool good() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

Handle type_handle(hid_t id) { return {id, H5Tclose}; }
Handle space_handle(hid_t id) { return {id, H5Sclose}; }
Handle property_handle(hid_t id) { return {id, H5Pclose}; }

// The little-endian types that tensors have. `as`: the library converts to it.
struct KnownType {
  Handle file, as;
  DType dtype;
};

Handle half_type(std::size_t exponent_bits) {
  Handle t = type_handle(H5Tcopy(H5T_IEEE_F32LE));
  const std::size_t mantissa = 15 - exponent_bits;
  H5Tset_fields(t, 15, mantissa, exponent_bits, 0, mantissa);
  H5Tset_size(t, 2);
  H5Tset_ebias(t, (std::size_t(1) << (exponent_bits - 1)) - 1);
  return t;
}

Handle bool_type() {  // as h5py makes it
  Handle t = type_handle(H5Tenum_create(H5T_STD_I8LE));
  for (signed char v : {0, 1}) H5Tenum_insert(t, v ? "TRUE" : "FALSE", &v);
  return t;
}

std::vector<KnownType> known_types() {
  std::vector<KnownType> all;
  auto add = [&](hid_t file, hid_t as, DType dtype) {
    all.push_back({type_handle(H5Tcopy(file)), type_handle(H5Tcopy(as)), dtype});
  };
  add(H5T_IEEE_F32LE, H5T_IEEE_F32LE, DType::f32);
  add(H5T_IEEE_F64LE, H5T_IEEE_F64LE, DType::f64);
  add(half_type(5), half_type(5), DType::f16);
  add(half_type(8), half_type(8), DType::bf16);
  add(H5T_STD_I8LE, H5T_STD_I8LE, DType::i8);
  add(H5T_STD_U8LE, H5T_STD_U8LE, DType::u8);
  add(H5T_STD_I16LE, H5T_STD_I16LE, DType::i16);
  add(H5T_STD_I32LE, H5T_STD_I32LE, DType::i32);
  add(H5T_STD_I64LE, H5T_STD_I64LE, DType::i64);
  add(H5T_STD_U16LE, H5T_STD_I32LE, DType::i32);
  add(H5T_STD_U32LE, H5T_STD_I64LE, DType::i64);
  add(bool_type(), bool_type(), DType::boolean);
  return all;
}

// ---- reading

class Reader {
 public:
  Reader(const FileContext& context, std::uint64_t file_size, ApartOutput& out)
      : context_(context), file_size_(file_size), out_(out), types_(known_types()) {}

  void read_group(hid_t group, const std::string& path) {
    H5O_info_t about;
    if (H5Oget_info2(group, &about, H5O_INFO_BASIC) < 0) context_.fail(fmt::format("group '{}' is damaged.", path));
    if (!seen_.insert(about.addr).second) context_.fail(fmt::format("group '{}' holds itself.", path));
    H5G_info_t info;
    if (H5Gget_info(group, &info) < 0 || info.nlinks > file_size_)
      context_.fail(fmt::format("group '{}' is damaged.", path));
    for (hsize_t i = 0; i < info.nlinks; ++i) read_link(group, path, i);
  }

 private:
  void read_link(hid_t group, const std::string& path, hsize_t i) {
    auto name_into = [&](char* out, std::size_t n) {
      return H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, out, n, H5P_DEFAULT);
    };
    const ssize_t length = name_into(nullptr, 0);
    if (length <= 0 || std::uint64_t(length) > file_size_) context_.fail(fmt::format("group '{}' is damaged.", path));
    std::string name(std::size_t(length) + 1, '\0');
    H5L_info_t link;
    if (name_into(name.data(), name.size()) < 0) context_.fail(fmt::format("group '{}' is damaged.", path));
    name.resize(std::size_t(length));
    const std::string full = path.empty() ? name : path + "/" + name;
    if (H5Lget_info(group, name.c_str(), &link, H5P_DEFAULT) < 0) context_.fail(fmt::format("'{}' is damaged.", full));
    if (link.type != H5L_TYPE_HARD)
      context_.fail(fmt::format("'{}' is a link to elsewhere, which is not followed.", full));
    const Handle object(H5Oopen(group, name.c_str(), H5P_DEFAULT), H5Oclose);
    if (!object.good()) context_.fail(fmt::format("'{}' is damaged.", full));
    const H5I_type_t kind = H5Iget_type(object);
    if (kind == H5I_GROUP) read_group(object, full);
    if (kind == H5I_DATASET) read_dataset(object, full);
  }

  // Null if it is one that tensors do not have.
  const KnownType* type_of(hid_t dataset) const {
    const Handle stored = type_handle(H5Dget_type(dataset));
    const H5T_class_t kind = H5Tget_class(stored);
    if (kind != H5T_FLOAT && kind != H5T_INTEGER && kind != H5T_ENUM) return nullptr;
    const Handle type = type_handle(H5Tcopy(stored));
    if (kind != H5T_ENUM && H5Tset_order(type, H5T_ORDER_LE) < 0) return nullptr;
    for (auto& known : types_)
      if (H5Tequal(type, known.file) > 0) return &known;
    return nullptr;
  }

  void read_dataset(hid_t dataset, const std::string& name) {
    const KnownType* type = type_of(dataset);
    if (!type) return;
    const Handle space = space_handle(H5Dget_space(dataset));
    const int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL) return;
    if (rank > Shape::max_rank)
      context_.fail(fmt::format("'{}' has {} dimensions; tensors have at most {}.", name, rank, Shape::max_rank));
    hsize_t sizes[H5S_MAX_RANK];
    H5Sget_simple_extent_dims(space, sizes, nullptr);
    Shape shape = Shape::filled(rank, 0);
    for (int d = 0; d < rank; ++d) {
      if (sizes[d] > (hsize_t(1) << 62)) context_.fail(fmt::format("'{}' is damaged.", name));
      shape[d] = std::int64_t(sizes[d]);
    }
    const std::uint64_t bytes = checked_bytes(context_, shape, type->dtype, fmt::format("'{}'", name));
    check_storage(dataset, name, bytes);
    std::string values(bytes, '\0');
    if (bytes > 0 && H5Dread(dataset, type->as, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0)
      context_.fail(fmt::format("the values of '{}' are damaged.", name));
    out_.write(1);  // there is one more
    out_.write(name.size());
    out_.write(name.data(), name.size());
    out_.write(std::uint64_t(type->dtype));
    out_.write(std::uint64_t(rank));
    for (auto d : shape) out_.write(std::uint64_t(d));
    out_.write(values.data(), values.size());
  }

  // Deflate expands a byte to at most 1032; the stored type may be half as wide as the tensor's.
  void check_storage(hid_t dataset, const std::string& name, std::uint64_t bytes) {
    const Handle made = property_handle(H5Dget_create_plist(dataset));
    const H5D_layout_t layout = H5Pget_layout(made);
    if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
      context_.fail(fmt::format("'{}' is stored in another file, which is not followed.", name));
    if (H5Pget_external_count(made) != 0)
      context_.fail(fmt::format("'{}' is stored in another file, which is not followed.", name));
    std::uint64_t expands = 2;
    for (int i = 0; i < std::max(0, H5Pget_nfilters(made)); ++i) {
      unsigned flags = 0, config = 0;
      std::size_t values = 0;
      const H5Z_filter_t filter = H5Pget_filter2(made, unsigned(i), &flags, &values, nullptr, 0, nullptr, &config);
      if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
        context_.fail(fmt::format("'{}' is compressed by filter {}; only gzip, shuffle and fletcher32 are read.", name,
                                  int(filter)));
      if (filter == H5Z_FILTER_DEFLATE) expands = 2064;
    }
    const std::uint64_t most = std::min<std::uint64_t>(H5Dget_storage_size(dataset), file_size_) * expands;
    if (bytes > most)
      context_.fail(fmt::format("'{}' claims {} bytes; what is stored of it can be {} at most.", name, bytes, most));
    if (layout != H5D_CHUNKED) return;
    hsize_t chunk[H5S_MAX_RANK];
    const int rank = H5Pget_chunk(made, H5S_MAX_RANK, chunk);
    std::uint64_t size = 8;
    for (int d = 0; d < rank; ++d)
      if (chunk[d] == 0 || (size *= chunk[d]) > std::max<std::uint64_t>(file_size_ * 2064, 1 << 24))
        context_.fail(fmt::format("'{}' is cut into chunks larger than the file can hold.", name));
  }

  const FileContext& context_;
  std::uint64_t file_size_;
  ApartOutput& out_;
  std::vector<KnownType> types_;
  std::set<haddr_t> seen_;
};

void read_apart(const FileContext& context, const std::string& bytes, ApartOutput& out) {
  const Handle access = property_handle(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_core(access, 1 << 16, false);
  H5Pset_file_image(access, const_cast<char*>(bytes.data()), bytes.size());
  const Handle file(bytes.empty() ? -1 : H5Fopen(kInMemory, H5F_ACC_RDONLY, access), H5Fclose);
  if (!file.good()) context.fail("is not an HDF5 file, or is damaged.");
  const Handle root(H5Gopen2(file, "/", H5P_DEFAULT), H5Gclose);
  if (!root.good()) context.fail("is not an HDF5 file, or is damaged.");
  Reader(context, bytes.size(), out).read_group(root, "");
  out.write(0);
}

// The child may have lost its mind: it is believed no more than the file.
std::pair<std::string, Tensor> take_tensor(ByteSource& in, std::uint64_t file_size) {
  auto number = [&in, n = std::uint64_t(0)](std::uint64_t most) mutable {
    in.read(&n, sizeof n, "a number");
    if (n > most) in.context().fail("is damaged.");
    return n;
  };
  std::string name(number(file_size), '\0');
  in.read(name.data(), name.size(), "a name");
  const DType dtype = DType(number(dtype_count - 1));
  Shape shape = Shape::filled(int(number(Shape::max_rank)), 0);
  for (auto& d : shape) d = std::int64_t(number(std::uint64_t(1) << 62));
  Tensor x = read_values(in, shape, dtype, false, fmt::format("'{}'", name));
  return {std::move(name), std::move(x)};
}

}  // namespace

io::NamedTensors read_hdf5(const FileContext& context, const std::string& bytes) {
  Quiet quiet;
  io::NamedTensors tensors;
  const std::uint64_t limit = std::min<std::uint64_t>(bytes.size(), std::uint64_t(1) << 50) * 4096 + 4096;
  run_apart(
      context, limit, unsigned(60 + (bytes.size() >> 24)), [&](ApartOutput& out) { read_apart(context, bytes, out); },
      [&](ByteSource& in) {
        for (std::uint64_t more = 1;;) {
          in.read(&more, sizeof more, "the list of datasets");
          if (more == 0) return;
          tensors.push_back(take_tensor(in, bytes.size()));
        }
      });
  return tensors;
}

// ---- writing

namespace {

void write_dataset(const FileContext& context, hid_t file, hid_t links, const std::string& name, const Tensor& x,
                   const std::vector<KnownType>& types) {
  const Tensor dense = dense_on_cpu(x, context.op.c_str(), name);
  const KnownType& type = *std::find_if(types.begin(), types.end(), [&](auto& t) { return t.dtype == dense.dtype(); });
  std::vector<hsize_t> sizes;
  for (auto d : dense.shape()) sizes.push_back(hsize_t(d));
  const Handle space =
      space_handle(sizes.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(int(sizes.size()), sizes.data(), nullptr));
  const Handle made(H5Dcreate2(file, name.c_str(), type.file, space, links, H5P_DEFAULT, H5P_DEFAULT), H5Dclose);
  if (!made.good())
    throw UsageError(
        fmt::format("{}: a dataset cannot be named \"{}\": there is one, or a group, of that name.", context.op, name));
  if (dense.size() > 0 && H5Dwrite(made, type.as, H5S_ALL, H5S_ALL, H5P_DEFAULT, dense.data<void>()) < 0)
    context.fail(fmt::format("'{}' cannot be written.", name));
}

void write_text(const FileContext& context, hid_t file, hid_t links, const Hdf5Text& t) {
  const bool there = t.group.empty() || H5Lexists(file, t.group.c_str(), H5P_DEFAULT) > 0;
  const Handle group(there ? H5Gopen2(file, t.group.empty() ? "/" : t.group.c_str(), H5P_DEFAULT)
                           : H5Gcreate2(file, t.group.c_str(), links, H5P_DEFAULT, H5P_DEFAULT),
                     H5Gclose);
  if (t.name.empty()) return;
  const Handle type = type_handle(H5Tcopy(H5T_C_S1));
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  const Handle space = space_handle(H5Screate(H5S_SCALAR));
  const Handle made(H5Acreate2(group, t.name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const char* text = t.text.c_str();
  if (!made.good() || H5Awrite(made, type, &text) < 0)
    context.fail(fmt::format("group '{}' cannot be written.", t.group));
}

}  // namespace

std::string make_hdf5(const FileContext& context, const io::NamedTensors& tensors, const std::vector<Hdf5Text>& texts) {
  Quiet quiet;
  const Handle access = property_handle(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_core(access, 1 << 20, false);  // false: nothing goes to the disk
  const Handle links = property_handle(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(links, 1);
  const Handle file(H5Fcreate(kInMemory, H5F_ACC_TRUNC, H5P_DEFAULT, access), H5Fclose);
  if (!file.good()) context.fail("cannot be made.");
  const std::vector<KnownType> types = known_types();
  for (auto& [name, x] : tensors) {
    if (name.empty() || name.find('\0') != std::string::npos)
      throw UsageError(fmt::format("{}: a dataset cannot be named \"{}\".", context.op, name));
    write_dataset(context, file, links, name, x, types);
  }
  for (auto& t : texts) write_text(context, file, links, t);
  H5Fflush(file, H5F_SCOPE_GLOBAL);
  const ssize_t size = H5Fget_file_image(file, nullptr, 0);
  std::string bytes(std::size_t(std::max<ssize_t>(size, 0)), '\0');
  if (size <= 0 || H5Fget_file_image(file, bytes.data(), bytes.size()) < 0) context.fail("cannot be made.");
  return bytes;
}

std::string read_all(ByteSource& in, const char* what) {
  std::string bytes, piece(1 << 20, '\0');
  while (const std::size_t got = in.read_some(piece.data(), piece.size())) {
    if (bytes.size() > (std::uint64_t(1) << 40)) in.context().fail(fmt::format("{} is too large.", what));
    bytes.append(piece, 0, got);
  }
  return bytes;
}

}  // namespace tapir::detail

namespace tapir::formats {

static io::NamedTensors read_file(const detail::FileContext& context) {
  const detail::InputFile file(context);
  std::string bytes(file.size(), '\0');
  file.read_at(0, bytes.data(), bytes.size());
  return detail::read_hdf5(context, bytes);
}

io::NamedTensors load_hdf5(const std::string& path, Where where) {
  CallSite site(where);
  return read_file({"load_hdf5", path});
}

Tensor load_hdf5(const std::string& path, const std::string& dataset, Where where) {
  CallSite site(where);
  const detail::FileContext context{"load_hdf5", path};
  const io::NamedTensors all = read_file(context);
  for (auto& [name, x] : all)
    if (name == dataset) return x;
  context.fail(fmt::format("there is no dataset '{}' that a tensor can hold.", dataset));
}

void save_hdf5(const std::string& path, const io::NamedTensors& tensors, Where where) {
  CallSite site(where);
  const detail::FileContext context{"save_hdf5", path};
  const std::string bytes = detail::make_hdf5(context, tensors);
  detail::OutputFile out(context);
  out.write(bytes);
  out.commit();
}

}  // namespace tapir::formats
