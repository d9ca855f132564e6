// What convolutions and pooling share: padding, data format, strides.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// How edges are treated: `Padding::valid` (none), `Padding::same` (output size is ceil(size / stride), the odd element
/// goes to the end, as in TensorFlow), or explicit amounts per spatial dimension: `{{top, bottom}, {left, right}}`.
class Padding {
 public:
  enum class Mode : std::uint8_t { valid, same, explicit_amounts };
  static const Padding valid, same;

  constexpr Padding() = default;
  Padding(std::initializer_list<std::initializer_list<std::int64_t>> amounts, Where where = Where::current());

  constexpr Mode mode() const { return mode_; }
  constexpr int rank() const { return rank_; }
  constexpr std::int64_t before(int d) const { return amounts_[d][0]; }
  constexpr std::int64_t after(int d) const { return amounts_[d][1]; }

 private:
  constexpr explicit Padding(Mode m) : mode_(m) {}
  Mode mode_ = Mode::valid;
  std::int8_t rank_ = 0;
  std::int64_t amounts_[3][2] = {};
};
inline constexpr Padding Padding::valid{Mode::valid};
inline constexpr Padding Padding::same{Mode::same};

/// Where the channels are: last (NHWC, the default; also NWC and NDHWC) or first (NCHW; converted at the edge).
enum class DataFormat : std::uint8_t { channels_last, channels_first, nhwc = channels_last, nchw = channels_first };

namespace detail {
/// One spatial dimension of a window that slides over an input.
struct Window {
  std::int64_t input, kernel, stride, dilation, before, after, output;
};
/// Works out padding and output size of one dimension. Throws ShapeError, naming `op`, if the window does not fit or a
/// stride or dilation is below 1. `d` is the spatial dimension, from 0.
Window window_of(const char* op, const Padding& padding, int d, std::int64_t input, std::int64_t kernel,
                 std::int64_t stride, std::int64_t dilation);
/// `given` as one value per spatial dimension: empty gives `fallback`, one value serves all. Throws ShapeError.
Shape per_dimension(const char* op, const char* what, const Shape& given, int spatial, std::int64_t fallback);
}  // namespace detail

}  // namespace tapir
