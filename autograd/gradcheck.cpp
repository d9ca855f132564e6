#include <tapir/autograd/gradcheck.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/reduce.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::detail {
namespace {

struct Checked {
  TensorFunction call;
  const void* f;
};

// Weights without a pattern, so that errors do not cancel in a sum.
Tensor weights_like(const Tensor& t, int seed) {
  std::vector<double> w(static_cast<std::size_t>(t.size()));
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = 0.5 + std::fabs(std::sin(double(i) * 1.7 + seed * 0.61 + 0.3));
  return Tensor::from_vector(w, t.shape());
}

Tensor weighted(const Tensor& y) {
  Tensor d = y.dtype() == DType::f64 ? y : y.astype(DType::f64);
  return sum(d * weights_like(y, 0));
}

// Of a function that returns a scalar.
std::vector<Tensor> gradients(TensorFunction call, const void* f, const std::vector<Tensor>& in) {
  GradientTape tape;
  std::vector<Tensor> sources;
  for (auto& x : in)
    if (is_floating(x.dtype())) tape.watch(x), sources.push_back(x);
  Tensor y = call(f, in);
  if (tape.recorded(y)) return tape.gradient(y, sources, {.unconnected = UnconnectedGradients::zero});
  for (auto& x : sources) x = zeros_like(x);  // a function of steps
  return sources;
}

Tensor scalar_of(const void* p, const std::vector<Tensor>& in) {
  auto& c = *static_cast<const Checked*>(p);
  Tensor y = c.call(c.f, in);
  if (!is_floating(y.dtype())) throw DTypeError(fmt::format("gradcheck: f returned {}.", name_of(y.dtype())));
  return weighted(y);
}

// The gradient's weighted sum: its derivative is the second one.
Tensor gradient_sum(const void* p, const std::vector<Tensor>& in) {
  Tensor total;
  int seed = 1;
  for (auto& g : gradients(scalar_of, p, in)) {
    Tensor part = sum(g * weights_like(g, seed++));
    total = total.defined() ? total + part : part;
  }
  return total;
}

double value_at(TensorFunction call, const void* f, std::vector<Tensor> in, std::size_t which, std::vector<double> x,
                std::size_t element, double shift) {
  x[element] += shift;
  in[which] = Tensor::from_vector(x, in[which].shape());
  return call(f, in).item<double>();
}

void compare(TensorFunction call, const void* f, const std::vector<Tensor>& in, const GradcheckOptions& o, int order,
             GradcheckResult& result) {
  std::vector<Tensor> analytic = gradients(call, f, in);
  std::size_t k = 0;
  for (std::size_t which = 0; which < in.size(); ++which) {
    if (!is_floating(in[which].dtype())) continue;
    std::vector<double> x = in[which].to_vector<double>(), a = analytic[k++].to_vector<double>();
    for (std::size_t e = 0; e < x.size(); ++e) {
      double h = o.step * std::max(1.0, std::fabs(x[e]));
      double numeric = (value_at(call, f, in, which, x, e, h) - value_at(call, f, in, which, x, e, -h)) / (2 * h);
      double weight = std::fabs(a[e] - numeric) / std::max(1.0, std::fabs(numeric));
      if (!(weight <= o.tolerance) && (result.ok || !(weight <= result.worst))) {
        result.ok = false;
        result.report = fmt::format(
            "gradcheck: order {}, input {}, element {} at {:.6g}: the tape gives {:.10g}, central "
            "differences {:.10g}.",
            order, which, e, x[e], a[e], numeric);
      }
      if (!(weight <= result.worst)) result.worst = weight;
    }
  }
}

}  // namespace

GradcheckResult gradcheck(TensorFunction call, const void* f, const std::vector<Tensor>& inputs,
                          const GradcheckOptions& o, const Where& where) {
  CallSite site(where);
  if (inputs.empty()) throw UsageError("gradcheck: there are no inputs.");
  if (o.order != 1 && o.order != 2) throw UsageError(fmt::format("gradcheck: order must be 1 or 2, got {}.", o.order));
  if (!(o.step > 0 && o.tolerance > 0))
    throw UsageError(
        fmt::format("gradcheck: step and tolerance must be positive, got {} and {}.", o.step, o.tolerance));
  for (auto& x : inputs)
    if (is_floating(x.dtype()) && x.dtype() != DType::f64)
      throw DTypeError(
          fmt::format("gradcheck: inputs must be f64 for central differences to mean anything, got {}. Cast "
                      "them: x.astype(DType::f64).",
                      name_of(x.dtype())));
  GradcheckResult result;
  Checked c{call, f};
  compare(scalar_of, &c, inputs, o, 1, result);
  if (o.order > 1) compare(gradient_sum, &c, inputs, o, 2, result);
  return result;
}

}  // namespace tapir::detail
