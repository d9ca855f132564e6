#include <tapir/ops/spatial.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir {

Padding::Padding(std::initializer_list<std::initializer_list<std::int64_t>> amounts, Where where)
    : mode_(Mode::explicit_amounts) {
  CallSite site(where);
  if (amounts.size() < 1 || amounts.size() > 3)
    throw ShapeError(fmt::format("padding: explicit padding needs one to three pairs, got {}.", amounts.size()));
  for (auto& pair : amounts) {
    if (pair.size() != 2)
      throw ShapeError(fmt::format("padding: each dimension needs {{before, after}}, got {} numbers.", pair.size()));
    std::int64_t before = pair.begin()[0], after = pair.begin()[1];
    if (before < 0 || after < 0)
      throw ShapeError(fmt::format("padding: amounts must not be negative, got {{{}, {}}}.", before, after));
    amounts_[rank_][0] = before;
    amounts_[rank_++][1] = after;
  }
}

namespace detail {

Window window_of(const char* op, const Padding& padding, int d, std::int64_t input, std::int64_t kernel,
                 std::int64_t stride, std::int64_t dilation) {
  if (stride < 1) throw ShapeError(fmt::format("{}: strides must be at least 1, got {}.", op, stride));
  if (dilation < 1) throw ShapeError(fmt::format("{}: dilations must be at least 1, got {}.", op, dilation));
  if (kernel < 1) throw ShapeError(fmt::format("{}: the window must be at least 1 wide, got {}.", op, kernel));
  constexpr std::int64_t most = std::int64_t(1) << 40;  // keeps sums and products in range
  if (std::max({kernel, stride, dilation, padding.before(d), padding.after(d)}) > most || kernel > most / dilation)
    throw ShapeError(fmt::format("{}: a window of {} (stride {}, dilation {}, padding {} and {}) is too large.", op,
                                 kernel, stride, dilation, padding.before(d), padding.after(d)));
  Window w{input, kernel, stride, dilation, 0, 0, 0};
  const std::int64_t extent = (kernel - 1) * dilation + 1;
  if (padding.mode() == Padding::Mode::same) {
    w.output = (input + stride - 1) / stride;
    std::int64_t total = std::max<std::int64_t>((w.output - 1) * stride + extent - input, 0);
    w.before = total / 2;
    w.after = total - w.before;
    return w;
  }
  if (padding.mode() == Padding::Mode::explicit_amounts) w.before = padding.before(d), w.after = padding.after(d);
  std::int64_t room = input + w.before + w.after - extent;
  if (room < 0)
    throw ShapeError(
        fmt::format("{}: a window of {} (dilation {}) does not fit size {} padded by {} and {}. Use "
                    "Padding::same or a larger input.",
                    op, kernel, dilation, input, w.before, w.after));
  w.output = room / stride + 1;
  return w;
}

Shape per_dimension(const char* op, const char* what, const Shape& given, int spatial, std::int64_t fallback) {
  if (given.empty()) return Shape::filled(spatial, fallback);
  if (given.rank() == 1) return Shape::filled(spatial, given[0]);
  if (given.rank() != spatial)
    throw ShapeError(fmt::format("{}: {} needs {} values, got {}.", op, what, spatial, given.str()));
  return given;
}

}  // namespace detail
}  // namespace tapir
