#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/resize.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tapir {
namespace {

// One spatial axis (1 or 2) of [N, H, W, C] at a new size.
Tensor along(const Tensor& x, int axis, std::int64_t to, ResizeMethod method) {
  const std::int64_t from = x.shape()[axis];
  if (from == to) return x;
  const double scale = double(from) / double(to);
  DeviceScope there(x.device());
  std::vector<std::int64_t> low(static_cast<std::size_t>(to)), high(low);
  std::vector<double> share(low.size());
  for (std::size_t i = 0; i < low.size(); ++i) {
    double centre = (double(i) + 0.5) * scale;
    if (method == ResizeMethod::nearest) {
      low[i] = std::min<std::int64_t>(std::int64_t(std::floor(centre)), from - 1);
      continue;
    }
    double floor = std::floor(centre - 0.5);
    share[i] = centre - 0.5 - floor;
    low[i] = std::clamp<std::int64_t>(std::int64_t(floor), 0, from - 1);
    high[i] = std::clamp<std::int64_t>(std::int64_t(floor) + 1, 0, from - 1);
  }
  Tensor a = take(x, Tensor::from_vector(low), axis);
  if (method == ResizeMethod::nearest) return a;
  Shape shape = Shape::filled(4, 1);
  shape[axis] = to;
  Tensor b = take(x, Tensor::from_vector(high), axis), w = astype(Tensor::from_vector(share, shape), x.dtype());
  return a + (b - a) * w;
}

}  // namespace

Tensor resize(const Tensor& images, const Shape& size, ResizeOptions o, Where w) {
  CallSite site(w);
  if (images.rank() != 4)
    throw ShapeError(fmt::format("resize: images must be [N, H, W, C], got {}.", images.shape().str()));
  if (size.rank() != 2 || size[0] < 1 || size[1] < 1)
    throw ShapeError(fmt::format("resize: the size must be {{height, width}}, each at least 1, got {}.", size.str()));
  if (images.shape()[1] < 1 || images.shape()[2] < 1)
    throw ShapeError(fmt::format("resize: images {} have no pixels.", images.shape().str()));
  detail::check_sizes("resize", {images.shape()[0], size[0], size[1], images.shape()[3]});
  if (o.method == ResizeMethod::bilinear && !is_floating(images.dtype()))
    throw DTypeError(fmt::format("resize: bilinear needs a floating dtype, got {}. Cast it: x.astype(DType::f32).",
                                 name_of(images.dtype())));
  return along(along(images, 1, size[0], o.method), 2, size[1], o.method);
}

void list_resize(std::vector<const OpDef*>&) {}  // made of others

}  // namespace tapir
