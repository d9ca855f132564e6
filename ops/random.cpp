#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/random.h>
#include <tapir/ops/random_attrs.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <mutex>
#include <random>

namespace tapir {
namespace {

struct Generator {
  std::mutex mutex;
  random::GeneratorState state;
  Generator() {
    std::random_device device;
    state = {std::int64_t((std::uint64_t(device()) << 31) ^ device()), 1};
  }
};
Generator& generator() {
  static Generator g;
  return g;
}

// The only op with an effect: it moves the global generator on. Draws are functions of its result, so that gradients
// and recomputation can repeat them.
const OpDef key_op = {
    .name = "random_key",
    .infer =
        [](Inputs, Attrs a, Specs& out) {
          const std::int64_t count = a.as<CountAttrs>().count;
          out.push_back({count < 0 ? Shape{2} : Shape{count, 2}, DType::i64});
        },
    .kernel = {cpu::random_key},
    .attrs = &attrs_type<CountAttrs>,
    .effect = true,
};

void infer_draw(Inputs, Attrs a, Specs& out) {
  const auto& d = a.as<DrawAttrs>();
  out.push_back({d.shape, d.dtype});
}
const OpDef uniform_op = {
    .name = "random_uniform", .infer = infer_draw, .kernel = {cpu::random_uniform}, .attrs = &attrs_type<DrawAttrs>};
const OpDef normal_op = {
    .name = "random_normal", .infer = infer_draw, .kernel = {cpu::random_normal}, .attrs = &attrs_type<DrawAttrs>};

const OpDef integers_op = {
    .name = "random_integers",
    .infer =
        [](Inputs, Attrs a, Specs& out) {
          const auto& d = a.as<IntegerDrawAttrs>();
          out.push_back({d.shape, d.dtype});
        },
    .kernel = {cpu::random_integers},
    .attrs = &attrs_type<IntegerDrawAttrs>,
};

const OpDef categorical_op = {
    .name = "random_categorical",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          Shape s = in[0].shape();
          s[s.rank() - 1] = a.as<CountAttrs>().count;
          out.push_back({s, DType::i64});
        },
    .kernel = {cpu::random_categorical},
    .needs_contiguous = true,
    .half_via_f32 = true,
    .attrs = &attrs_type<CountAttrs>,
};

const OpDef permutation_op = {
    .name = "random_permutation",
    .infer =
        [](Inputs, Attrs a, Specs& out) {
          out.push_back({{a.as<CountAttrs>().count}, DType::i64});
        },
    .kernel = {cpu::random_permutation},
    .attrs = &attrs_type<CountAttrs>,
};

void check_floating(const char* op, DType d) {
  if (!is_floating(d)) throw DTypeError(fmt::format("{}: needs a floating dtype, got {}.", op, name_of(d)));
}

}  // namespace

namespace cpu {
void random_key(const Call& call) {
  Generator& g = generator();
  std::lock_guard lock(g.mutex);
  auto* key = call.out[0].mutable_data<std::int64_t>();
  for (auto* end = key + call.out[0].size(); key != end; key += 2) {
    key[0] = g.state.seed;
    key[1] = g.state.stream++;
  }
}
}  // namespace cpu

double just_below(double high, DType d) {
  if (d == DType::f64) return std::nextafter(high, -INFINITY);
  float below = float(high);
  if (double(below) >= high) below = std::nextafter(below, -INFINITY);
  if (!is_half(d)) return below;
  for (float step = below;; step = std::nextafter(step, -INFINITY)) {  // to where rounding goes down
    float rounded = d == DType::f16 ? float(float16(step)) : float(bfloat16(step));
    if (double(rounded) < high) return step;
  }
}

namespace random {

void set_seed(std::int64_t seed, Where w) {
  CallSite site(w);
  if (seed < 0) throw UsageError(fmt::format("set_seed: needs a seed of at least 0, got {}.", seed));
  set_generator_state({seed, 1});
}

GeneratorState generator_state() {
  Generator& g = generator();
  std::lock_guard lock(g.mutex);
  return g.state;
}

void set_generator_state(const GeneratorState& state) {
  Generator& g = generator();
  std::lock_guard lock(g.mutex);
  g.state = state;
}

Tensor key(std::int64_t seed, Where w) {
  CallSite site(w);
  if (seed < -1) throw UsageError(fmt::format("random: needs a seed of at least 0, got {}.", seed));
  if (seed == -1) return apply(key_op, {}, CountAttrs{-1}, w);
  return Tensor::from_vector(std::vector<std::int64_t>{seed, 0}, w);
}

Tensor keys(std::int64_t count, Where w) {
  CallSite site(w);
  if (count < 0) throw UsageError(fmt::format("keys: count must be at least 0, got {}.", count));
  return apply(key_op, {}, CountAttrs{count}, w);
}

namespace {
// The key that options name, or the one of their seed.
template <class Options>
Tensor key_of(const Options& o, const Where& w) {
  if (!o.key.defined()) return key(o.seed, w);
  if (o.key.shape() != Shape({2}) || o.key.dtype() != DType::i64)
    throw UsageError(fmt::format("random: a key is i64 [2], got {} {}.", name_of(o.key.dtype()), o.key.shape().str()));
  return o.key;
}
}  // namespace

Tensor uniform(const Shape& shape, UniformOptions o, Where w) {
  CallSite site(w);
  tapir::detail::check_sizes("uniform", shape);
  check_floating("uniform", o.dtype);
  if (!(o.low < o.high))
    throw UsageError(fmt::format("uniform: low must be below high, got {} and {}.", o.low, o.high));
  return apply(uniform_op, {key_of(o, w)}, DrawAttrs{shape, o.dtype, o.low, o.high}, w);
}

Tensor normal(const Shape& shape, NormalOptions o, Where w) {
  CallSite site(w);
  tapir::detail::check_sizes("normal", shape);
  check_floating("normal", o.dtype);
  if (!(o.stddev >= 0)) throw UsageError(fmt::format("normal: stddev must be at least 0, got {}.", o.stddev));
  return apply(normal_op, {key_of(o, w)}, DrawAttrs{shape, o.dtype, o.mean, o.stddev}, w);
}

Tensor truncated_normal(const Shape& shape, NormalOptions o, Where w) {
  CallSite site(w);
  tapir::detail::check_sizes("truncated_normal", shape);
  check_floating("truncated_normal", o.dtype);
  if (!(o.stddev >= 0)) throw UsageError(fmt::format("truncated_normal: stddev must be at least 0, got {}.", o.stddev));
  return apply(normal_op, {key_of(o, w)}, DrawAttrs{shape, o.dtype, o.mean, o.stddev, true}, w);
}

Tensor integers(const Shape& shape, std::int64_t low, std::int64_t high, IntegersOptions o, Where w) {
  CallSite site(w);
  tapir::detail::check_sizes("integers", shape);
  if (!is_integer(o.dtype))
    throw DTypeError(fmt::format("integers: needs an integer dtype, got {}.", name_of(o.dtype)));
  if (low >= high) throw UsageError(fmt::format("integers: low must be below high, got {} and {}.", low, high));
  visit_dtype(o.dtype, [&](auto t) {
    using L = std::numeric_limits<decltype(t)>;
    if constexpr (L::is_integer)
      if (low < std::int64_t(L::min()) || high - 1 > std::int64_t(L::max()))
        throw UsageError(fmt::format("integers: {} cannot hold all of [{}, {}).", name_of(o.dtype), low, high));
  });
  return apply(integers_op, {key(o.seed, w)}, IntegerDrawAttrs{shape, o.dtype, low, high}, w);
}

Tensor bernoulli(const Shape& shape, double p, BernoulliOptions o, Where w) {
  CallSite site(w);
  tapir::detail::check_sizes("bernoulli", shape);
  if (!(p >= 0 && p <= 1)) throw UsageError(fmt::format("bernoulli: the probability must be in [0, 1], got {}.", p));
  return astype(less(uniform(shape, {.dtype = DType::f64, .seed = o.seed}, w), Operand(p, w)), o.dtype, w);
}

Tensor categorical(const Tensor& logits, std::int64_t num_samples, DrawOptions o, Where w) {
  CallSite site(w);
  if (logits.rank() < 1 || logits.rank() > 2 || logits.shape().back() == 0)
    throw ShapeError(fmt::format("categorical: needs logits [B, C] or [C] with C > 0, got {}.", logits.shape().str()));
  check_floating("categorical", logits.dtype());
  if (num_samples < 0)
    throw UsageError(fmt::format("categorical: num_samples must be at least 0, got {}.", num_samples));
  DeviceScope there(logits.device());
  return apply(categorical_op, {logits, key(o.seed, w)}, CountAttrs{num_samples}, w);
}

Tensor permutation(std::int64_t n, DrawOptions o, Where w) {
  CallSite site(w);
  if (n < 0) throw UsageError(fmt::format("permutation: n must be at least 0, got {}.", n));
  return apply(permutation_op, {key(o.seed, w)}, CountAttrs{n}, w);
}

Tensor shuffle(const Tensor& x, DrawOptions o, Where w) {
  CallSite site(w);
  if (x.rank() == 0) throw ShapeError("shuffle: a scalar has no first dimension to put in another order.");
  DeviceScope there(x.device());
  return take(x, permutation(x.shape()[0], o, w), 0, w);
}

}  // namespace random

void list_random(std::vector<const OpDef*>& out) {
  for (auto* o : {&key_op, &uniform_op, &normal_op, &integers_op, &categorical_op, &permutation_op}) out.push_back(o);
}

}  // namespace tapir
