#include <tapir/nn/activations.h>
#include <tapir/nn/ctc.h>
#include <tapir/nn/losses.h>
#include <tapir/nn/masks.h>
#include <tapir/nn/names.h>
#include <tapir/ops/create.h>
#include <tapir/ops/cross_entropy.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/matmul.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/reduce.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/softmax.h>

#include <fmt/format.h>

#include <cmath>

namespace tapir::nn {
namespace {

constexpr double kEpsilon = 1e-7;  // Keras's

// The values of examples, weighted and reduced; only those where `counted` (if defined) is true are averaged.
Tensor reduced(const char* name, Tensor values, const LossOptions& o, const Tensor& counted = {}) {
  if (o.sample_weight.defined()) {
    Tensor w = astype(o.sample_weight, values.dtype());
    if (w.rank() == values.rank() + 1 && w.shape().back() == 1) w = squeeze(w, {-1});
    while (w.rank() < values.rank()) w = expand_dims(w, -1);
    Shape joined;
    if (!broadcast_shapes(w.shape(), values.shape(), joined) || joined != values.shape())
      throw ShapeError(fmt::format("{}: sample_weight {} does not fit the values {}.", name,
                                   o.sample_weight.shape().str(), values.shape().str()));
    values = values * w;
  }
  Tensor counts = counted;
  if (o.mask.defined()) {
    Tensor mask = o.mask;
    while (mask.rank() < values.rank()) mask = expand_dims(mask, -1);
    Shape joined;
    if (!broadcast_shapes(mask.shape(), values.shape(), joined) || joined != values.shape())
      throw ShapeError(
          fmt::format("{}: the mask {} does not fit the values {}.", name, o.mask.shape().str(), values.shape().str()));
    mask = broadcast_to(mask, values.shape());
    values = where(mask, values, 0);
    counts = counts.defined() ? logical_and(counts, mask) : mask;
  }
  if (o.reduction == Reduction::none) return values;
  if (o.reduction == Reduction::sum) return sum(values);
  return counts.defined() ? sum(values) / maximum(astype(count_nonzero(counts), values.dtype()), 1) : mean(values);
}

struct Pair {
  Tensor t, p;
};

// y_pred, checked; halves as f32, where clipping at 1e-7 has a meaning.
Tensor prediction(const char* name, const Tensor& y_true, const Tensor& p) {
  if (!y_true.defined() || !p.defined())
    throw UsageError(fmt::format("{}: {} is an undefined tensor.", name, p.defined() ? "y_true" : "y_pred"));
  if (!is_floating(p.dtype()))
    throw DTypeError(fmt::format("{}: y_pred must be floating, got {}.", name, name_of(p.dtype())));
  return p.dtype() == DType::f64 ? p : astype(p, DType::f32);
}

// y_true in y_pred's dtype and rank.
Pair fitted(const char* name, const Tensor& y_true, const Tensor& y_pred) {
  Pair r{{}, prediction(name, y_true, y_pred)};
  r.t = astype(y_true, r.p.dtype());
  if (r.t.rank() + 1 == r.p.rank() && r.p.shape().back() == 1) r.t = expand_dims(r.t, -1);
  else if (r.p.rank() + 1 == r.t.rank() && r.t.shape().back() == 1) {
    if (r.p.rank() == 1) r.p = expand_dims(r.p, -1);
    else r.t = squeeze(r.t, {-1});
  }
  if (r.t.shape() != r.p.shape())
    throw ShapeError(fmt::format("{}: y_true {} and y_pred {} differ in shape.{}", name, y_true.shape().str(),
                                 y_pred.shape().str(),
                                 std::string(name).starts_with("categorical") && r.t.rank() + 1 == r.p.rank()
                                     ? " For class numbers there is sparse_categorical_crossentropy."
                                     : ""));
  return r;
}

Tensor last_mean(const Tensor& x) { return x.rank() == 0 ? x : mean(x, {.axis = -1}); }
Tensor last_sum(const Tensor& x) { return x.rank() == 0 ? x : sum(x, {.axis = -1}); }

// A loss whose value is the mean of f(t, p) over the last axis.
template <class F>
Tensor mean_of(const char* name, const Operand& y_true, const Operand& y_pred, const LossOptions& o, F f) {
  CallSite site(y_true.where());
  Pair r = fitted(name, y_true, y_pred);
  return reduced(name, last_mean(f(r.t, r.p)), o);
}

Tensor clipped(const Tensor& p) { return clip(p, kEpsilon, 1 - kEpsilon); }

// {0, 1} labels as {-1, 1}.
Tensor as_signs(const Tensor& t) { return where(all(logical_or(equal(t, 0), equal(t, 1))), 2 * t - 1, t); }

void check_smoothing(const char* name, double s) {
  if (!(s >= 0 && s <= 1)) throw UsageError(fmt::format("{}: label_smoothing must be in [0, 1], got {}.", name, s));
}

void check_classes(const char* name, const Tensor& p) {
  if (p.rank() == 0) throw ShapeError(fmt::format("{}: needs a last axis of classes, got [].", name));
}

Tensor l2_normalized(const Tensor& x, int axis) {
  return x / maximum(norm(x, {.axis = axis, .keepdims = true}), kEpsilon);
}

}  // namespace

Tensor mean_squared_error(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("mean_squared_error", y_true, y_pred, o, [](auto& t, auto& p) { return square(p - t); });
}
Tensor mean_absolute_error(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("mean_absolute_error", y_true, y_pred, o, [](auto& t, auto& p) { return abs(t - p); });
}
Tensor mean_absolute_percentage_error(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("mean_absolute_percentage_error", y_true, y_pred, o,
                 [](auto& t, auto& p) { return 100 * abs((t - p) / maximum(abs(t), kEpsilon)); });
}
Tensor mean_squared_logarithmic_error(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("mean_squared_logarithmic_error", y_true, y_pred, o, [](auto& t, auto& p) {
    return square(log(maximum(p, kEpsilon) + 1) - log(maximum(t, kEpsilon) + 1));
  });
}
Tensor huber(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("huber", y_true, y_pred, o, [&](auto& t, auto& p) {
    if (!(o.delta > 0)) throw UsageError(fmt::format("huber: delta must be positive, got {}.", o.delta));
    const Tensor e = p - t, size = abs(e);
    return where(size <= o.delta, 0.5 * square(e), o.delta * size - 0.5 * o.delta * o.delta);
  });
}
Tensor log_cosh(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("log_cosh", y_true, y_pred, o, [](auto& t, auto& p) {
    const Tensor e = p - t;
    return e + softplus(-2 * e) - std::log(2.0);
  });
}
Tensor cosine_similarity(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  CallSite site(y_true.where());
  Pair r = fitted("cosine_similarity", y_true, y_pred);
  const int axis = check_axis("cosine_similarity", o.axis, r.p.rank());
  return reduced("cosine_similarity", -sum(l2_normalized(r.t, axis) * l2_normalized(r.p, axis), {.axis = axis}), o);
}
Tensor hinge(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("hinge", y_true, y_pred, o, [](auto& t, auto& p) { return maximum(1 - as_signs(t) * p, 0); });
}
Tensor squared_hinge(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("squared_hinge", y_true, y_pred, o,
                 [](auto& t, auto& p) { return square(maximum(1 - as_signs(t) * p, 0)); });
}
Tensor categorical_hinge(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  CallSite site(y_true.where());
  Pair r = fitted("categorical_hinge", y_true, y_pred);
  check_classes("categorical_hinge", r.p);
  const Tensor right = last_sum(r.t * r.p), wrong = max((1 - r.t) * r.p, {.axis = -1});
  return reduced("categorical_hinge", maximum(wrong - right + 1, 0), o);
}
Tensor kl_divergence(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  CallSite site(y_true.where());
  Pair r = fitted("kl_divergence", y_true, y_pred);
  const Tensor t = clip(r.t, kEpsilon, 1), p = clip(r.p, kEpsilon, 1);
  return reduced("kl_divergence", last_sum(t * log(t / p)), o);
}
Tensor poisson(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  return mean_of("poisson", y_true, y_pred, o, [](auto& t, auto& p) { return p - t * log(p + kEpsilon); });
}

namespace {

// 0 and 1 as label_smoothing / 2 and 1 - label_smoothing / 2.
Tensor smooth_binary(const char* name, const Tensor& t, double smoothing) {
  check_smoothing(name, smoothing);
  return smoothing == 0 ? t : t * (1 - smoothing) + 0.5 * smoothing;
}

// Distributions over the last axis, mixed with the uniform one.
Pair smooth_classes(const char* name, const Operand& y_true, const Operand& y_pred, double smoothing) {
  check_smoothing(name, smoothing);
  Pair r = fitted(name, y_true, y_pred);
  check_classes(name, r.p);
  if (smoothing != 0) r.t = r.t * (1 - smoothing) + smoothing / double(r.p.shape().back());
  return r;
}

// What the activation that gave y_pred was applied to, as `like`; undefined if that is not known.
Tensor known_logits(const Tensor& y_pred, const char* activation, const Tensor& like) {
  Tensor logits = detail::LogitsScope::logits_of(y_pred, activation);
  return logits.defined() ? reshape(astype(logits, like.dtype()), like.shape()) : logits;
}

// Of probabilities p; from their logits if those are known.
Tensor binary_entropy(const Tensor& t, const Tensor& p, const Tensor& logits) {
  if (logits.defined()) return sigmoid_cross_entropy_with_logits(t, logits);
  const Tensor q = clipped(p);
  return -(t * log(q) + (1 - t) * log(1 - q));
}

Tensor normalised(const Tensor& p) { return clipped(p / sum(p, {.axis = -1, .keepdims = true})); }

// (1 - p)^gamma
Tensor focus(const char* name, const Tensor& p, double gamma) {
  if (!(gamma >= 0)) throw UsageError(fmt::format("{}: gamma must be 0 or more, got {}.", name, gamma));
  return gamma == 2 ? square(1 - p) : pow(1 - p, gamma);
}

}  // namespace

Tensor binary_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  const char* name = "binary_crossentropy";
  return mean_of(name, y_true, y_pred, o, [&](auto& labels, auto& p) {
    const Tensor t = smooth_binary(name, labels, o.label_smoothing);
    return binary_entropy(t, p, o.from_logits ? p : known_logits(y_pred, "sigmoid", p));
  });
}

Tensor binary_focal_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  const char* name = "binary_focal_crossentropy";
  return mean_of(name, y_true, y_pred, o, [&](auto& labels, auto& given) {
    const Tensor t = smooth_binary(name, labels, o.label_smoothing), p = o.from_logits ? sigmoid(given) : given;
    const Tensor entropy = binary_entropy(t, p, o.from_logits ? given : known_logits(y_pred, "sigmoid", p));
    const Tensor value = focus(name, t * p + (1 - t) * (1 - p), o.gamma.value_or(2)) * entropy;
    const double alpha = o.alpha.value_or(0.25);
    return o.apply_class_balancing ? (t * alpha + (1 - t) * (1 - alpha)) * value : value;
  });
}

Tensor categorical_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  const char* name = "categorical_crossentropy";
  CallSite site(y_true.where());
  const auto [t, p] = smooth_classes(name, y_true, y_pred, o.label_smoothing);
  const Tensor logits = o.from_logits ? p : known_logits(y_pred, "softmax", p);
  return reduced(
      name, logits.defined() ? softmax_cross_entropy_with_logits(t, logits) : -last_sum(t * log(normalised(p))), o);
}

Tensor categorical_focal_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  const char* name = "categorical_focal_crossentropy";
  CallSite site(y_true.where());
  const auto [t, p] = smooth_classes(name, y_true, y_pred, o.label_smoothing);
  const Tensor q = normalised(o.from_logits ? softmax(p) : p);
  return reduced(name, -last_sum(o.alpha.value_or(0.25) * focus(name, q, o.gamma.value_or(2)) * t * log(q)), o);
}

namespace {

// The class numbers of y_pred's [N, ..., classes]: y_true [N, ...], or [N, ..., 1].
Tensor class_numbers(const char* name, const Tensor& y_true, const Tensor& p) {
  Tensor t = y_true;
  if (p.rank() >= 1 && t.rank() == p.rank() && t.shape().back() == 1) t = squeeze(t, {-1});
  if (p.rank() < 1 || t.shape() != p.shape().first(p.rank() - 1))
    throw ShapeError(fmt::format(
        "{}: y_true {} are not the class numbers of y_pred {}.{}", name, y_true.shape().str(), p.shape().str(),
        t.shape() == p.shape() ? " For distributions there is categorical_crossentropy." : ""));
  return is_integer(t.dtype()) ? t : astype(t, DType::i64);
}

}  // namespace

Tensor sparse_categorical_crossentropy(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  const char* name = "sparse_categorical_crossentropy";
  CallSite site(y_true.where());
  const Tensor p = prediction(name, y_true, y_pred);
  Tensor t = class_numbers(name, y_true, p);
  if (o.ignore_class) t = astype(t, DType::i64);
  Tensor logits = o.from_logits ? p : known_logits(y_pred, "softmax", p);
  if (!logits.defined()) logits = log(clipped(p));
  if (!o.ignore_class) return reduced(name, sparse_softmax_cross_entropy_with_logits(t, logits), o);
  const Tensor counted = not_equal(t, *o.ignore_class);
  const Tensor values = sparse_softmax_cross_entropy_with_logits(where(counted, t, 0), logits);
  return reduced(name, where(counted, values, 0), o, counted);
}

Tensor categorical_generalized_cross_entropy(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  const char* name = "categorical_generalized_cross_entropy";
  CallSite site(y_true.where());
  if (!(o.q > 0 && o.q < 1)) throw UsageError(fmt::format("{}: q must be in (0, 1), got {}.", name, o.q));
  const Tensor p = prediction(name, y_true, y_pred), t = class_numbers(name, y_true, p);
  const Tensor given = last_sum(p * one_hot(t, p.shape().back(), {.dtype = p.dtype()}));
  return reduced(name, (1 - pow(given, o.q)) / o.q, o);
}

Tensor dice(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  CallSite site(y_true.where());
  const auto [t, p] = fitted("dice", y_true, y_pred);
  auto total = [&](const Tensor& v) { return sum(v, {.axis = o.axes}); };
  return reduced("dice", 1 - 2 * total(t * p) / (total(t) + total(p) + kEpsilon), o);
}

Tensor tversky(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  CallSite site(y_true.where());
  const auto [t, p] = fitted("tversky", y_true, y_pred);
  auto total = [&](const Tensor& v) { return sum(v, {.axis = o.axes}); };
  const Tensor both = total(t * p), missed = total((1 - p) * t), wrong = total(p * (1 - t));
  return reduced("tversky", 1 - both / (both + missed * o.alpha.value_or(0.5) + wrong * o.beta + kEpsilon), o);
}

Tensor circle(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  const char* name = "circle";
  CallSite site(y_true.where());
  const Tensor p = prediction(name, y_true, y_pred), t = class_numbers(name, y_true, p);
  if (p.rank() != 2)
    throw ShapeError(fmt::format("circle: y_pred must be embeddings [N, size], got {}.", p.shape().str()));
  const double gamma = o.gamma.value_or(80);
  const Tensor same = equal(expand_dims(t, 1), expand_dims(t, 0)), other = logical_not(same);
  const Tensor itself = equal(expand_dims(arange(t.size()), 1), arange(t.size()));
  const Tensor partner = o.remove_diagonal ? logical_and(same, logical_not(itself)) : same;
  const Tensor distance = maximum(1 - matmul(p, p, {.transpose_b = true}), 0);
  // Of what has no partner this is so small that it drops out, and its gradient is finite.
  auto joined = [](const Tensor& counts, const Tensor& v) { return logsumexp(where(counts, v, -1e30), {.axis = 1}); };
  const Tensor near = joined(partner, -gamma * (o.margin + distance) * (o.margin - distance));
  const Tensor far = joined(other, gamma * maximum(1 + o.margin - distance, 0) * (1 - o.margin - distance));
  const Tensor values = softplus(near + far);
  return reduced(name, values, o, greater(values, 0));
}

Tensor ctc(const Operand& y_true, const Operand& y_pred, const LossOptions& o) {
  CallSite site(y_true.where());
  const Tensor p = prediction("ctc", y_true, y_pred), t = y_true;
  if (p.rank() != 3 || t.rank() != 2)
    throw ShapeError(
        fmt::format("ctc: y_true must be class numbers [N, labels] and y_pred logits [N, steps, classes], "
                    "got {} and {}.",
                    t.shape().str(), p.shape().str()));
  const Tensor steps = full({p.shape()[0]}, p.shape()[1], DType::i64);
  return reduced("ctc", ctc_loss(t, p, count_nonzero(t, {.axis = -1}), steps), o);
}

namespace {
using Function = Tensor (*)(const Operand&, const Operand&, const LossOptions&);
const std::pair<const char*, Function> table[] = {
    {"bce", binary_crossentropy},
    {"binary_crossentropy", binary_crossentropy},
    {"binary_focal_crossentropy", binary_focal_crossentropy},
    {"categorical_crossentropy", categorical_crossentropy},
    {"categorical_focal_crossentropy", categorical_focal_crossentropy},
    {"categorical_generalized_cross_entropy", categorical_generalized_cross_entropy},
    {"categorical_hinge", categorical_hinge},
    {"circle", circle},
    {"cosine_similarity", cosine_similarity},
    {"ctc", ctc},
    {"dice", dice},
    {"hinge", hinge},
    {"huber", huber},
    {"kl_divergence", kl_divergence},
    {"kld", kl_divergence},
    {"log_cosh", log_cosh},
    {"mae", mean_absolute_error},
    {"mape", mean_absolute_percentage_error},
    {"mean_absolute_error", mean_absolute_error},
    {"mean_absolute_percentage_error", mean_absolute_percentage_error},
    {"mean_squared_error", mean_squared_error},
    {"mean_squared_logarithmic_error", mean_squared_logarithmic_error},
    {"mse", mean_squared_error},
    {"msle", mean_squared_logarithmic_error},
    {"poisson", poisson},
    {"sparse_categorical_crossentropy", sparse_categorical_crossentropy},
    {"squared_hinge", squared_hinge},
    {"tversky", tversky},
};
}  // namespace

Loss::Loss(const char* name, const LossOptions& options, Where where)
    : name_(detail::text_of(name)), options_(options) {
  CallSite site(where);
  std::vector<std::string> known;
  for (auto& [n, f] : table) {
    if (name_ == n) {
      function_ = f;
      return;
    }
    known.push_back(n);
  }
  detail::unknown_name("loss", name_, known);
}

Tensor Loss::operator()(const Tensor& y_true, const Tensor& y_pred, const Tensor& sample_weight, Where where) const {
  CallSite site(where);
  if (!defined()) throw UsageError("loss: it is empty; give it a name or a function.");
  if (custom_) {
    Tensor value = custom_(y_true, is_half(y_pred.dtype()) ? astype(y_pred, DType::f32) : y_pred);
    if (!value.defined()) throw UsageError("loss: the function gave an undefined tensor.");
    const Tensor mask = value.rank() > 0 ? MaskScope::of(y_pred) : Tensor();
    if (sample_weight.defined() || mask.defined())
      return reduced("loss", value, {.mask = mask, .sample_weight = sample_weight});
    return value.size() != 1 ? mean(value) : value;
  }
  LossOptions o = options_;
  if (!o.mask.defined()) o.mask = MaskScope::of(y_pred);
  if (sample_weight.defined()) o.sample_weight = sample_weight;
  return function_(y_true, y_pred, o);
}

}  // namespace tapir::nn
