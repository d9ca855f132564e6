#include <tapir/nn/schedules.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tapir::optim::schedules {
namespace {

void check_steps(const char* type, const char* what, std::int64_t steps) {
  if (steps < 1) throw UsageError(fmt::format("{}: {} must be 1 or more, got {}.", type, what, steps));
}

// step / every, in whole numbers if `staircase`.
Tensor periods(const Tensor& step, double every, bool staircase) {
  Tensor p = step / every;
  return staircase ? floor(p) : p;
}

Tensor half_cosine(const Tensor& fraction) { return (cos(fraction * std::numbers::pi) + 1) * 0.5; }

}  // namespace

Tensor Schedule::operator()(const Tensor& step, Where where) const {
  CallSite site(where);
  if (!step.defined() || step.rank() != 0)
    throw ShapeError(
        fmt::format("{}: the step must be a scalar, got {}.", text_, step.defined() ? step.shape().str() : "none"));
  Tensor rate = function_(astype(step, DType::f64));
  if (!rate.defined() || rate.size() != 1)
    throw ShapeError(fmt::format("{}: a schedule must give one number, got {}.", text_,
                                 rate.defined() ? rate.shape().str() : "none"));
  return reshape(astype(rate, DType::f32), {});
}

double Schedule::at(std::int64_t step, Where where) const {
  CallSite site(where);
  return (*this)(full({}, step, DType::i64)).item<double>();
}

ExponentialDecay::ExponentialDecay(double initial, std::int64_t decay_steps, double decay_rate,
                                   const StaircaseOptions& o, Where where)
    : Schedule(
          [=](const Tensor& step) {
            return pow(decay_rate, periods(step, double(decay_steps), o.staircase)) * initial;
          },
          fmt::format("ExponentialDecay({}, {}, {}, staircase={})", initial, decay_steps, decay_rate, o.staircase)) {
  CallSite site(where);
  check_steps("ExponentialDecay", "decay_steps", decay_steps);
}

InverseTimeDecay::InverseTimeDecay(double initial, std::int64_t decay_steps, double decay_rate,
                                   const StaircaseOptions& o, Where where)
    : Schedule(
          [=](const Tensor& step) {
            return initial / (periods(step, double(decay_steps), o.staircase) * decay_rate + 1);
          },
          fmt::format("InverseTimeDecay({}, {}, {}, staircase={})", initial, decay_steps, decay_rate, o.staircase)) {
  CallSite site(where);
  check_steps("InverseTimeDecay", "decay_steps", decay_steps);
}

PolynomialDecay::PolynomialDecay(double initial, std::int64_t decay_steps, const PolynomialOptions& o, Where where)
    : Schedule(
          [=](const Tensor& step) {
            const double every = double(decay_steps);
            // of a cycle: the first multiple of decay_steps that is not behind the step
            Tensor p = o.cycle ? step / (maximum(ceil(step / every), 1) * every) : minimum(step, every) / every;
            return pow(1 - p, o.power) * (initial - o.end_learning_rate) + o.end_learning_rate;
          },
          fmt::format("PolynomialDecay({}, {}, end_learning_rate={}, power={}, cycle={})", initial, decay_steps,
                      o.end_learning_rate, o.power, o.cycle)) {
  CallSite site(where);
  check_steps("PolynomialDecay", "decay_steps", decay_steps);
}

PiecewiseConstantDecay::PiecewiseConstantDecay(const std::vector<std::int64_t>& boundaries,
                                               const std::vector<double>& values, Where at)
    : Schedule(
          [=](const Tensor& step) {
            Tensor rate = full({}, values.back(), DType::f64);
            for (std::size_t i = boundaries.size(); i-- > 0;)
              rate = where(step <= double(boundaries[i]), full({}, values[i], DType::f64), rate);
            return rate;
          },
          fmt::format("PiecewiseConstantDecay([{}], [{}])", fmt::join(boundaries, ", "), fmt::join(values, ", "))) {
  CallSite site(at);
  if (boundaries.size() + 1 != values.size())
    throw UsageError(fmt::format("PiecewiseConstantDecay: {} boundaries need {} values, got {}.", boundaries.size(),
                                 boundaries.size() + 1, values.size()));
  if (!std::is_sorted(boundaries.begin(), boundaries.end(), std::less_equal<>()))
    throw UsageError(
        fmt::format("PiecewiseConstantDecay: boundaries must ascend, got [{}].", fmt::join(boundaries, ", ")));
}

CosineDecay::CosineDecay(double initial, std::int64_t decay_steps, const CosineOptions& o, Where at)
    : Schedule(
          [=](const Tensor& step) {
            const double before = o.warmup_target ? double(o.warmup_steps) : 0, top = o.warmup_target.value_or(initial);
            const Tensor fraction = minimum(step - before, double(decay_steps)) / double(decay_steps);
            const Tensor falling = (half_cosine(fraction) * (1 - o.alpha) + o.alpha) * top;
            if (before == 0) return falling;
            return where(step < before, step / before * (top - initial) + initial, falling);
          },
          fmt::format("CosineDecay({}, {}, alpha={}, warmup_target={}, warmup_steps={})", initial, decay_steps, o.alpha,
                      o.warmup_target ? fmt::format("{}", *o.warmup_target) : "none", o.warmup_steps)) {
  CallSite site(at);
  check_steps("CosineDecay", "decay_steps", decay_steps);
  if (o.warmup_steps < 0)
    throw UsageError(fmt::format("CosineDecay: warmup_steps must be 0 or more, got {}.", o.warmup_steps));
}

CosineDecayRestarts::CosineDecayRestarts(double initial, std::int64_t first_decay_steps, const RestartOptions& o,
                                         Where where)
    : Schedule(
          [=](const Tensor& step) {
            Tensor fraction = step / double(first_decay_steps), restarts;
            if (o.t_mul == 1) {
              restarts = floor(fraction);
              fraction = fraction - restarts;
            } else {  // periods are a geometric series
              restarts = floor(log(1 - fraction * (1 - o.t_mul)) / std::log(o.t_mul));
              const Tensor length = pow(o.t_mul, restarts);
              fraction = (fraction - (1 - length) / (1 - o.t_mul)) / length;
            }
            return (half_cosine(fraction) * pow(o.m_mul, restarts) * (1 - o.alpha) + o.alpha) * initial;
          },
          fmt::format("CosineDecayRestarts({}, {}, t_mul={}, m_mul={}, alpha={})", initial, first_decay_steps, o.t_mul,
                      o.m_mul, o.alpha)) {
  CallSite site(where);
  check_steps("CosineDecayRestarts", "first_decay_steps", first_decay_steps);
  if (!(o.t_mul > 0)) throw UsageError(fmt::format("CosineDecayRestarts: t_mul must be positive, got {}.", o.t_mul));
}

}  // namespace tapir::optim::schedules
