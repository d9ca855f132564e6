#include <tapir/ops/elementwise.h>
#include <tapir/ops/fft.h>
#include <tapir/ops/fft_attrs.h>
#include <tapir/ops/index.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <cmath>
#include <string_view>

namespace tapir {
namespace {

using namespace fft;

Tensor transform(const Tensor& x, bool inverse);

// [..., n, 2] along n. The transpose of the map is the map with the other sign.
constinit const OpDef fft_op = dense_row(
    "fft",
    [](Inputs in, Attrs, Specs& out) {
      out.push_back({in[0].shape(), in[0].dtype()});
    },
    cpu::fft,
    [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {transform(dy[0], !n.attrs.as<FftAttrs>().inverse)};
    },
    Saves::none, &attrs_type<FftAttrs>);

Tensor transform(const Tensor& x, bool inverse) { return apply(fft_op, {x}, FftAttrs{inverse}, Where::current()); }

void check_complex(const char* op, const Tensor& x) {
  check_floats(op, x);
  if (x.rank() < 2 || x.shape().back() != 2)
    throw ShapeError(
        fmt::format("{}: needs complex numbers, pairs in a last dimension of 2, got shape {}. "
                    "rfft() takes real ones; stack({{re, im}}, {{.axis = -1}}) makes pairs.",
                    op, x.shape().str()));
}

// The factor of one direction for n elements.
double scale_of(const char* op, const char* norm, std::int64_t n, bool inverse) {
  const std::string_view word = norm ? norm : "";
  if (word == "ortho") return 1 / std::sqrt(double(n));
  if (word == "backward") return inverse ? 1 / double(n) : 1;
  if (word == "forward") return inverse ? 1 : 1 / double(n);
  throw UsageError(fmt::format("{}: norm must be \"backward\", \"forward\" or \"ortho\", got \"{}\".", op, word));
}

// x with n elements along the axis: cut at the end, or zeros there.
Tensor sized(const char* op, const Tensor& x, int axis, std::int64_t n) {
  if (n < 1) throw ShapeError(fmt::format("{}: needs n of 1 or more, got {} for shape {}.", op, n, x.shape().str()));
  const std::int64_t have = x.shape()[axis];
  if (n <= have) return n == have ? x : narrow(x, axis, 0, n);
  Paddings widths(std::size_t(x.rank()), {0, 0});
  widths[std::size_t(axis)].second = n - have;
  return pad(x, widths);
}

Tensor complex_transform(const char* op, const Tensor& x, const FftOptions& o, bool inverse) {
  check_complex(op, x);
  const int axis = check_axis(op, o.axis, x.shape().first(x.rank() - 1));
  const Tensor in = sized(op, x, axis, o.n == -1 ? x.shape()[axis] : o.n);
  const double scale = scale_of(op, o.norm, in.shape()[axis], inverse);
  const Tensor y = swapaxes(transform(swapaxes(in, axis, -2), inverse), axis, -2);
  return scale == 1 ? y : y * scale;
}

Tensor real_transform(const char* op, const Tensor& x, const FftOptions& o) {
  check_floats(op, x);
  const int axis = check_axis(op, o.axis, x.shape());
  const Tensor in = sized(op, x, axis, o.n == -1 ? x.shape()[axis] : o.n);
  Paddings imaginary(std::size_t(x.rank()) + 1, {0, 0});
  imaginary.back().second = 1;
  const Tensor pairs = pad(expand_dims(in, -1), imaginary);
  return narrow(complex_transform(op, pairs, {-1, axis, o.norm}, false), axis, 0, in.shape()[axis] / 2 + 1);
}

Tensor inverse_real_transform(const char* op, const Tensor& x, const FftOptions& o) {
  check_complex(op, x);
  const int axis = check_axis(op, o.axis, x.shape().first(x.rank() - 1));
  const std::int64_t n = o.n == -1 ? 2 * (x.shape()[axis] - 1) : o.n;
  if (n < 1) throw ShapeError(fmt::format("{}: needs n of 1 or more, got {} for shape {}.", op, n, x.shape().str()));
  const Tensor half = sized(op, x, axis, n / 2 + 1);
  // the others are conjugates, in reverse order; sums of a number and its conjugate leave the imaginary parts out
  const std::int64_t others = n - (n / 2 + 1);
  Tensor full = half;
  if (others > 0) {
    const Tensor conjugate = tensor({1.0, -1.0}, x.dtype());
    full = concat({half, flip(narrow(half, axis, 1, others), {.axis = axis}) * conjugate}, {.axis = axis});
  }
  return complex_transform(op, full, {-1, axis, o.norm}, true)(ellipsis, 0);
}

// The axes, from the front, of `rank` dimensions.
Axes axes_of(const char* op, const Axes& axes, int rank) {
  if (axes.empty()) throw UsageError(fmt::format("{}: needs at least one axis.", op));
  Axes out;
  for (auto a : axes) out.push_back(check_axis(op, a, rank));
  return out;
}

Tensor along_axes(const char* op, Tensor x, const Axes& axes, const char* norm, bool inverse) {
  for (auto a : axes) x = complex_transform(op, x, {-1, a, norm}, inverse);
  return x;
}

Axes all_but_last(const Axes& axes) {
  Axes out;
  for (int i = 0; i + 1 < axes.rank(); ++i) out.push_back(axes[i]);
  return out;
}

Tensor shifted(const char* op, const Tensor& x, const Axes& axes, bool back) {
  Axes where, by;
  for (int i = 0; axes.empty() ? i < x.rank() : i < axes.rank(); ++i) {
    where.push_back(axes.empty() ? i : check_axis(op, axes[i], x.shape()));
    const std::int64_t n = x.shape()[int(where.back())];
    by.push_back(back ? -(n / 2) : n / 2);
  }
  return where.empty() ? x : roll(x, by, {.axis = where});
}

void check_count(const char* op, std::int64_t n, double d) {
  if (n < 1) throw UsageError(fmt::format("{}: needs n of 1 or more, got {}.", op, n));
  if (!(d != 0)) throw UsageError(fmt::format("{}: d must not be {}.", op, d));
}

}  // namespace

namespace fft {

Tensor fft(const Tensor& x, FftOptions o, Where w) {
  CallSite site(w);
  return complex_transform("fft", x, o, false);
}
Tensor ifft(const Tensor& x, FftOptions o, Where w) {
  CallSite site(w);
  return complex_transform("ifft", x, o, true);
}
Tensor rfft(const Tensor& x, FftOptions o, Where w) {
  CallSite site(w);
  return real_transform("rfft", x, o);
}
Tensor irfft(const Tensor& x, FftOptions o, Where w) {
  CallSite site(w);
  return inverse_real_transform("irfft", x, o);
}

Tensor fftn(const Tensor& x, FftnOptions o, Where w) {
  CallSite site(w);
  check_complex("fftn", x);
  return along_axes("fftn", x, axes_of("fftn", o.axes, x.rank() - 1), o.norm, false);
}
Tensor ifftn(const Tensor& x, FftnOptions o, Where w) {
  CallSite site(w);
  check_complex("ifftn", x);
  return along_axes("ifftn", x, axes_of("ifftn", o.axes, x.rank() - 1), o.norm, true);
}
Tensor rfftn(const Tensor& x, FftnOptions o, Where w) {
  CallSite site(w);
  const Axes axes = axes_of("rfftn", o.axes, x.rank());
  return along_axes("rfftn", real_transform("rfftn", x, {-1, axes.back(), o.norm}), all_but_last(axes), o.norm, false);
}
Tensor irfftn(const Tensor& x, FftnOptions o, Where w) {
  CallSite site(w);
  check_complex("irfftn", x);
  const Axes axes = axes_of("irfftn", o.axes, x.rank() - 1);
  return inverse_real_transform("irfftn", along_axes("irfftn", x, all_but_last(axes), o.norm, true),
                                {-1, axes.back(), o.norm});
}

Tensor fftfreq(std::int64_t n, double d, Where w) {
  CallSite site(w);
  check_count("fftfreq", n, d);
  return concat({arange(0, (n + 1) / 2, 1, {.dtype = DType::f32}), arange(-(n / 2), 0, 1, {.dtype = DType::f32})}) /
         (double(n) * d);
}
Tensor rfftfreq(std::int64_t n, double d, Where w) {
  CallSite site(w);
  check_count("rfftfreq", n, d);
  return arange(0, n / 2 + 1, 1, {.dtype = DType::f32}) / (double(n) * d);
}
Tensor fftshift(const Tensor& x, const Axes& axes, Where w) {
  CallSite site(w);
  return shifted("fftshift", x, axes, false);
}
Tensor ifftshift(const Tensor& x, const Axes& axes, Where w) {
  CallSite site(w);
  return shifted("ifftshift", x, axes, true);
}

}  // namespace fft

void list_fft(std::vector<const OpDef*>& out) { out.push_back(&fft_op); }

}  // namespace tapir
