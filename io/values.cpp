#include <tapir/io/values.h>
#include <tapir/tensor/convert.h>

#include <fmt/format.h>

#include <bit>
#include <cstring>

namespace tapir::detail {

static_assert(std::endian::native == std::endian::little, "files are read and written as little-endian machines do");

std::uint64_t checked_bytes(const FileContext& context, const Shape& shape, DType dtype, const std::string& what) {
  // An empty shape such as [0, 2^40, 2^40] must not overflow either: its other sizes count.
  std::uint64_t product = 1;
  constexpr std::uint64_t limit = std::uint64_t(1) << 58;
  for (auto d : shape) {
    if (d < 0) context.fail(fmt::format("{} has a negative size, shape {}.", what, shape.str()));
    if (d > 0 && product > limit / std::uint64_t(d))
      context.fail(fmt::format("{} is too large to have in memory, shape {}.", what, shape.str()));
    if (d > 0) product *= std::uint64_t(d);
  }
  return std::uint64_t(shape.size()) * size_of(dtype);
}

template <class T>
static void reverse_bytes(std::byte* data, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    T v;
    std::memcpy(&v, data + std::size_t(i) * sizeof(T), sizeof(T));
    if constexpr (sizeof(T) == 8) v = __builtin_bswap64(v);
    else if constexpr (sizeof(T) == 4) v = __builtin_bswap32(v);
    else v = __builtin_bswap16(v);
    std::memcpy(data + std::size_t(i) * sizeof(T), &v, sizeof(T));
  }
}

Tensor read_values(ByteSource& in, const Shape& shape, DType dtype, bool big_endian, const std::string& what) {
  std::uint64_t bytes = checked_bytes(in.context(), shape, dtype, what);
  if (bytes > in.left())
    in.context().fail(fmt::format("ends too early, {} of shape {} takes {} bytes but at most {} are there.", what,
                                  shape.str(), bytes, in.left()));
  Tensor t = Tensor::empty(shape, dtype);
  auto* data = t.mutable_data<std::byte>();
  in.read(data, std::size_t(bytes), what.c_str());
  std::size_t width = size_of(dtype);
  if (big_endian && width == 2) reverse_bytes<std::uint16_t>(data, t.size());
  if (big_endian && width == 4) reverse_bytes<std::uint32_t>(data, t.size());
  if (big_endian && width == 8) reverse_bytes<std::uint64_t>(data, t.size());
  if (dtype == DType::boolean)
    for (std::int64_t i = 0; i < t.size(); ++i) data[i] = std::byte(data[i] != std::byte(0));
  return t;
}

void check_has_value(const Tensor& x, const char* op, const std::string& name) {
  auto refuse = [&](const char* rule) {
    throw UsageError(fmt::format("{}: tensor{} {}", op, name.empty() ? "" : " \"" + name + "\"", rule));
  };
  if (!x.defined()) refuse("is undefined and holds no value.");
  if (!x.has_data())
    refuse("has no value yet, it is being traced by function(). Return it from the function and save it outside.");
}

Tensor dense_on_cpu(const Tensor& x, const char* op, const std::string& name) {
  check_has_value(x, op, name);
  if (x.device().backend != Backend::cpu) return x.to(Device::cpu());
  if (x.is_contiguous()) return x;
  Tensor dense = Tensor::empty(x.shape(), x.dtype());
  copy_strided(x.data<std::byte>(), x.dtype(), x.shape(), x.strides(), dense.mutable_data<std::byte>(), x.dtype());
  return dense;
}

}  // namespace tapir::detail
