#include <tapir/graph/control_flow.h>
#include <tapir/nn/ctc.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/scan.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/softmax.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::nn {
namespace {

constexpr double kNever = -1e30;  // the logarithm of a probability of 0, with finite gradients

void check_logits(const char* name, const char* what, const Tensor& x) {
  if (x.rank() != 3 || x.shape()[1] < 1)
    throw ShapeError(fmt::format("{}: {} must be logits [N, steps, classes], got {}.", name, what, x.shape().str()));
  if (!is_floating(x.dtype()))
    throw DTypeError(fmt::format("{}: {} must be floating, got {}.", name, what, name_of(x.dtype())));
}
Tensor lengths(const char* name, const char* what, const Tensor& x, std::int64_t n) {
  if (x.shape() != Shape({n}))
    throw ShapeError(fmt::format("{}: {} must be [{}], got {}.", name, what, n, x.shape().str()));
  return astype(x, DType::i64);
}
void check_class(const char* name, std::int64_t mask_index, const Tensor& logits) {
  if (mask_index < 0 || mask_index >= logits.shape()[2])
    throw UsageError(fmt::format("{}: mask_index must be in [0, {}), got {}.", name, logits.shape()[2], mask_index));
}
Tensor as_computed(const Tensor& x) { return x.dtype() == DType::f64 ? x : astype(x, DType::f32); }

// The columns of x, moved to the right by k.
Tensor moved(const Tensor& x, std::int64_t k) {
  const std::int64_t n = x.shape()[0], columns = x.shape()[1];
  if (columns <= k) return full({n, columns}, kNever, x.dtype());
  return concat({full({n, k}, kNever, x.dtype()), narrow(x, -1, 0, columns - k)}, {.axis = -1});
}

}  // namespace

// Labels with blanks between them, S = 2L + 1 places; alpha[n, s]: how likely the steps so far end at place s. A step
// stays, goes on by one, or skips the blank between two labels that differ.
Tensor ctc_loss(const Tensor& target, const Tensor& output, const Tensor& target_length, const Tensor& output_length,
                const CTCOptions& options, Where where) {
  CallSite site(where);
  const char* name = "ctc_loss";
  check_logits(name, "output", output);
  check_class(name, options.mask_index, output);
  const std::int64_t n = output.shape()[0];
  if (target.rank() != 2 || target.shape()[0] != n)
    throw ShapeError(
        fmt::format("{}: target must be class numbers [{}, labels], got {}.", name, n, target.shape().str()));
  const Tensor said = lengths(name, "target_length", target_length, n);
  const Tensor steps = lengths(name, "output_length", output_length, n);
  const std::int64_t most = target.shape()[1], places = 2 * most + 1;

  const Tensor likely = log_softmax(as_computed(output));
  const DType dtype = likely.dtype();
  const Tensor blank = full({n, most}, options.mask_index, DType::i64);
  const Tensor labels = tapir::where(less(arange(most), expand_dims(said, 1)), astype(target, DType::i64), blank);
  const Tensor place = concat(
      {reshape(stack({blank, labels}, {.axis = -1}), {n, 2 * most}), full({n, 1}, options.mask_index, DType::i64)},
      {.axis = -1});
  // [T, N, S]
  const Tensor emitted = contiguous(moveaxis(take_along_axis(likely, expand_dims(place, 1), -1), 1, 0));
  Tensor skips = full({n, places}, kNever, dtype);
  if (most > 1) {
    const Tensor later = narrow(place, -1, 2, places - 2), earlier = narrow(place, -1, 0, places - 2);
    const Tensor may = logical_and(not_equal(later, options.mask_index), not_equal(later, earlier));
    skips = concat({full({n, 2}, kNever, dtype), tapir::where(may, zeros(may.shape(), dtype), kNever)}, {.axis = -1});
  }
  const Tensor start = concat({zeros({n, 1}, dtype), full({n, places - 1}, kNever, dtype)}, {.axis = -1});
  auto step = [&](const Tensor& alpha, const Tensor& now) {
    const Tensor ways = stack({alpha, moved(alpha, 1), moved(alpha, 2) + skips});
    const Tensor next = logsumexp(ways, {.axis = 0}) + now;
    return std::pair<Tensor, Tensor>(next, next);
  };
  const Tensor alphas = scan(step, start, emitted).second;

  const Tensor last = gather_nd(alphas, stack({maximum(steps - 1, 0), arange(n)}, {.axis = -1}));  // [N, S]
  const Tensor end = expand_dims(2 * said, 1);
  const Tensor at_label = tapir::where(greater(end, 0), take_along_axis(last, maximum(end - 1, 0), -1), kNever);
  const Tensor loss = -logsumexp(concat({take_along_axis(last, end, -1), at_label}, {.axis = -1}), {.axis = -1});
  return tapir::where(less(loss, -0.1 * kNever), loss, INFINITY);
}

CTCDecoded ctc_decode(const Tensor& inputs, const Tensor& sequence_lengths, const CTCDecodeOptions& options,
                      Where where) {
  CallSite site(where);
  const char* name = "ctc_decode";
  check_logits(name, "inputs", inputs);
  check_class(name, options.mask_index, inputs);
  const std::int64_t n = inputs.shape()[0], steps = inputs.shape()[1];
  const Tensor length = expand_dims(lengths(name, "sequence_lengths", sequence_lengths, n), 1);
  const Tensor logits = as_computed(inputs), inside = less(arange(steps), length);
  const Tensor best = argmax(logits, {.axis = -1});
  Tensor said = logical_and(inside, not_equal(best, options.mask_index));
  if (options.merge_repeated) {
    const Tensor before =
        concat({full({n, 1}, options.mask_index, DType::i64), narrow(best, -1, 0, steps - 1)}, {.axis = -1});
    said = logical_and(said, not_equal(best, before));
  }
  // Each label goes to the place of its number; what is not said to a column that is cut off.
  const Tensor number = cumulative_sum(astype(said, DType::i64), {.axis = 1}) - 1;
  const Tensor column = tapir::where(said, number, steps);
  const Tensor row = broadcast_to(expand_dims(arange(n), 1), {n, steps});
  const Tensor placed =
      tensor_scatter_update(full({n, steps + 1}, -1, DType::i64), stack({row, column}, {.axis = -1}), best);
  const Tensor score = sum(tapir::where(inside, max(logits, {.axis = -1}), 0), {.axis = 1, .keepdims = true});
  return {narrow(placed, -1, 0, steps), -score};
}

}  // namespace tapir::nn
