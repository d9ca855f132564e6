#include <tapir/io/png.h>
#include <tapir/io/values.h>
#include <tapir/look/pixels.h>
#include <tapir/tensor/convert.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::look {

std::string Pixels::png(std::int64_t i) const {
  return detail::png(bytes.data() + i * height * width * channels, height, width, channels);
}

std::vector<double> numbers_of(const char* op, const Tensor& x) {
  const Tensor dense = detail::dense_on_cpu(x, op, "");
  std::vector<double> out(std::size_t(dense.size()));
  detail::convert(dense.data<std::byte>(), dense.dtype(), 1, out.data(), DType::f64, dense.size());
  return out;
}

Pixels pixels_of(const char* op, const Tensor& images, std::int64_t most) {
  detail::check_has_value(images, op, "");
  const Shape& s = images.shape();
  if (s.rank() != 4 || s[3] < 1 || s[3] > 4)
    throw ShapeError(fmt::format(
        "{}: images must be [N, H, W, C] with 1 to 4 channels, got {}. One picture: expand_dims(x, 0).", op, s.str()));
  if (s[1] < 1 || s[2] < 1 || s[1] > 1 << 16 || s[2] > 1 << 16)
    throw ShapeError(fmt::format("{}: images need 1 to 65536 rows and columns, got {}.", op, s.str()));
  const DType d = images.dtype();
  if (!is_floating(d) && d != DType::u8 && d != DType::boolean)
    throw DTypeError(fmt::format("{}: images must be u8, bool or floating, got {}.", op, name_of(d)));
  Shape shape = s;
  shape[0] = std::min(s[0], std::max<std::int64_t>(most, 0));
  const Tensor part = detail::dense_on_cpu(images.view_as(shape, images.strides()), op, "");
  Pixels out{shape[0], shape[1], shape[2], int(shape[3]), std::vector<std::uint8_t>(std::size_t(shape.size()))};
  if (d == DType::u8) {
    detail::copy_strided(part.data<std::byte>(), d, shape, part.strides(), out.bytes.data(), d);
    return out;
  }
  std::vector<float> values(out.bytes.size());
  detail::copy_strided(part.data<std::byte>(), d, shape, part.strides(), values.data(), DType::f32);
  for (std::size_t i = 0; i < values.size(); ++i)
    out.bytes[i] = std::uint8_t(values[i] > 0 ? std::min(values[i], 1.0f) * 255.0f + 0.5f : 0.0f);
  return out;
}

}  // namespace tapir::look
