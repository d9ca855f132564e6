// ONNX: Resize and Upsample. Interpolation is linear along each axis, so it is a product with a matrix [out, in] for
// each; nearest is a take.
#include <tapir/formats/onnx_call.h>
#include <tapir/ops/create.h>
#include <tapir/ops/matmul.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tapir::onnx::detail {

namespace {

// One axis: where output pixels lie in the input.
struct Axis {
  std::int64_t in, out;
  double scale, start = 0, end = 1;  // of the region, for tf_crop_and_resize
};

double place_of(const Call& c, const std::string& mode, const Axis& a, std::int64_t i) {
  const double x = double(i), n = double(a.in), length = double(a.out);
  if (mode == "half_pixel") return (x + 0.5) / a.scale - 0.5;
  if (mode == "pytorch_half_pixel") return a.out > 1 ? (x + 0.5) / a.scale - 0.5 : 0;
  if (mode == "align_corners") return a.out > 1 ? x * (n - 1) / (a.scale * n - 1) : 0;
  if (mode == "asymmetric") return x / a.scale;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5) / a.scale;
  if (mode == "tf_crop_and_resize")
    return a.out > 1 ? a.start * (n - 1) + x * (a.end - a.start) * (n - 1) / (length - 1)
                     : 0.5 * (a.start + a.end) * (n - 1);
  c.fail("coordinate_transformation_mode \"" + mode + "\" is not supported");
}

std::int64_t nearest_of(const Call& c, double x) {
  const std::string how = c.text("nearest_mode", c.opset() < 11 ? "floor" : "round_prefer_floor");
  if (how == "floor") return std::int64_t(std::floor(x));
  if (how == "ceil") return std::int64_t(std::ceil(x));
  if (how == "round_prefer_floor") return std::int64_t(std::ceil(x - 0.5));
  if (how == "round_prefer_ceil") return std::int64_t(std::floor(x + 0.5));
  c.fail("nearest_mode \"" + how + "\" is not supported");
}

// Weights of the pixels around x, for Keys' cubic with coefficient a, or for a straight line.
std::vector<double> weights_of(bool cubic, double fraction, double a) {
  if (!cubic) return {1 - fraction, fraction};
  std::vector<double> w;
  for (int i = -1; i <= 2; ++i) {
    const double d = std::abs(i - fraction);
    w.push_back(d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0);
  }
  return w;
}

Tensor interpolated(const Call& c, const Tensor& x, int d, const Axis& a, const std::string& coordinates, bool cubic) {
  std::vector<double> matrix(static_cast<std::size_t>(a.out * a.in), 0.0);
  Tensor outside = zeros({a.out}, DType::boolean);
  std::vector<bool> beyond(static_cast<std::size_t>(a.out), false);
  for (std::int64_t i = 0; i < a.out; ++i) {
    const double at = place_of(c, coordinates, a, i);
    beyond[std::size_t(i)] = coordinates == "tf_crop_and_resize" && (at < 0 || at > double(a.in - 1));
    const double low = std::floor(at);
    std::vector<double> w = weights_of(cubic, at - low, c.number("cubic_coeff_a", -0.75));
    double all = 0;
    for (std::size_t k = 0; k < w.size(); ++k) {
      const std::int64_t pixel = std::int64_t(low) + std::int64_t(k) - (cubic ? 1 : 0);
      if (c.flag("exclude_outside") && (pixel < 0 || pixel >= a.in)) continue;
      all += w[k];
      matrix[std::size_t(i * a.in + std::clamp<std::int64_t>(pixel, 0, a.in - 1))] += w[k];
    }
    if (c.flag("exclude_outside"))
      for (std::int64_t k = 0; k < a.in; ++k) matrix[std::size_t(i * a.in + k)] /= all;
  }
  const Tensor weights = Tensor::from_vector(matrix, {a.out, a.in}).astype(x.dtype());
  const Tensor last = moveaxis(x, {d}, {-1});
  Tensor y = moveaxis(matmul(last, weights, {.transpose_b = true}), {-1}, {d});
  if (coordinates != "tf_crop_and_resize") return y;
  Shape s = Shape::filled(x.rank(), 1);
  s[d] = a.out;
  return where(reshape(Tensor::from_vector(beyond), s), full({}, c.number("extrapolation_value", 0), x.dtype()), y);
}

Tensor picked(const Call& c, const Tensor& x, int d, const Axis& a, const std::string& coordinates) {
  Integers pixels;
  for (std::int64_t i = 0; i < a.out; ++i)
    pixels.push_back(std::clamp<std::int64_t>(nearest_of(c, place_of(c, coordinates, a, i)), 0, a.in - 1));
  return take(x, list_of(pixels), d);
}

Results resized(const Call& c, const std::vector<double>& scales, const Integers& sizes,
                const std::vector<double>& region) {
  const std::string mode = c.text("mode", "nearest");
  if (mode != "nearest" && mode != "linear" && mode != "cubic") c.fail("mode \"" + mode + "\" is not supported");
  if (c.flag("antialias")) c.fail("antialias is not supported");
  const std::string coordinates =
      c.text("coordinate_transformation_mode", c.opset() < 11 ? "asymmetric" : "half_pixel");
  Integers axes = c.integers("axes");
  Tensor x = c[0];
  if (axes.empty())
    for (int d = 0; d < x.rank(); ++d) axes.push_back(d);
  const std::size_t n = axes.size();
  if ((scales.empty() ? sizes.size() : scales.size()) != n || (!region.empty() && region.size() != 2 * n))
    c.fail("scales, sizes or the region do not fit the input " + x.shape().str());
  for (std::size_t i = 0; i < n; ++i) {
    const auto d = int(axis_of(c, axes[i], x.rank()));
    const std::int64_t in = x.shape()[d];
    Axis a{in, 0, 1};
    if (!region.empty()) a.start = region[i], a.end = region[i + n];
    const double part = coordinates == "tf_crop_and_resize" ? a.end - a.start : 1;
    if (!scales.empty()) a.scale = scales[i], a.out = std::int64_t(std::floor(double(in) * part * a.scale + 1e-6));
    else a.out = sizes[i], a.scale = double(sizes[i]) / double(in);
    if (!(a.scale > 0) || in < 1 || a.out < 1 || a.out > (std::int64_t(1) << 24))
      c.fail(fmt::format("axis {} of {} to {}", d, in, a.out));
    if (a.out == in && a.scale == 1 && part == 1) continue;
    x = mode == "nearest" ? picked(c, x, d, a, coordinates) : interpolated(c, x, d, a, coordinates, mode == "cubic");
  }
  return {x};
}

std::vector<double> numbers(const Call& c, std::size_t i) {
  if (!c.has(i)) return {};
  if (!c[i].has_data()) c.fail(fmt::format("input {} must be known when the function is traced", i));
  return c[i].astype(DType::f64).to_vector<double>();
}

Results upsample(const Call& c) {
  if (c.opset() >= 9) return resized(c, numbers(c, 1), {}, {});
  auto* a = c.node().find("scales");
  return resized(c, a ? std::vector<double>(a->numbers.begin(), a->numbers.end()) : std::vector<double>(), {}, {});
}
Results resize_(const Call& c) {
  if (c.opset() < 11) return upsample(c);
  return resized(c, numbers(c, 2), c.has(3) ? c.values(3) : Integers(), numbers(c, 1));
}

constexpr Row rows[] = {{"Resize", resize_, 10, 0, 1}, {"Upsample", upsample, 7, 9, 1}};

}  // namespace

std::span<const Row> resize_rows() { return rows; }

}  // namespace tapir::onnx::detail
