// Padding, flipping, rolling; every dtype. They throw ShapeError for an axis out of range or named twice.
#pragma once
#include <tapir/ops/op.h>

#include <utility>

namespace tapir {

/// What stands beyond the edge: `value`; the mirrored inside without the edge ([3 2 | 1 2 3 | 2 1]); with the edge
/// ([2 1 | 1 2 3 | 3 2]); the edge itself.
enum class PadMode : std::uint8_t { constant, reflect, symmetric, edge };

struct PadOptions {
  PadMode mode = PadMode::constant;
  double value = 0;  ///< for PadMode::constant
};

/// (before, after) per dimension.
using Paddings = std::vector<std::pair<std::int64_t, std::int64_t>>;

/// x with elements added before and after along each dimension: `pad(x, {{0, 0}, {1, 2}})`. reflect adds at most size -
/// 1 elements, symmetric at most size. Throws ShapeError.
Tensor pad(const Tensor& x, const Paddings& widths, PadOptions options = {}, Where where = Where::current());

struct FlipOptions {
  Axes axis = {};  ///< empty: all
};
/// x with the order of elements reversed along `axis`. A view.
Tensor flip(const Tensor& x, FlipOptions options = {}, Where where = Where::current());

struct RollOptions {
  Axes axis = {};  ///< one for each shift; empty, with one shift: x is rolled as if it were flat
};
/// x with elements moved on by `shift` along `axis`; those that fall off come round to the front: `roll(x, {1, -2},
/// {.axis = {0, 1}})`. Throws ShapeError, UsageError if there are not as many axes as shifts.
Tensor roll(const Tensor& x, const Axes& shift, RollOptions options = {}, Where where = Where::current());

}  // namespace tapir
