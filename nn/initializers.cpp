#include <tapir/nn/initializers.h>
#include <tapir/nn/names.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/random.h>
#include <tapir/ops/ranges.h>

#include <fmt/format.h>
#include <Eigen/QR>

#include <cmath>

namespace tapir::nn {
namespace {

using Make = Initializer (*)();
using namespace initializers;

Initializer scaled(double scale, Fan mode, Distribution d) {
  return variance_scaling({.scale = scale, .mode = mode, .distribution = d});
}

const std::pair<const char*, Make> table[] = {
    {"glorot_normal", [] { return scaled(1, Fan::average, Distribution::truncated_normal); }},
    {"glorot_uniform", [] { return scaled(1, Fan::average, Distribution::uniform); }},
    {"he_normal", [] { return scaled(2, Fan::in, Distribution::truncated_normal); }},
    {"he_uniform", [] { return scaled(2, Fan::in, Distribution::uniform); }},
    {"identity", [] { return identity(); }},
    {"lecun_normal", [] { return scaled(1, Fan::in, Distribution::truncated_normal); }},
    {"lecun_uniform", [] { return scaled(1, Fan::in, Distribution::uniform); }},
    {"ones", [] { return initializers::constant(1); }},
    {"orthogonal", [] { return orthogonal(); }},
    {"random_normal", [] { return random_normal(); }},
    {"random_uniform", [] { return random_uniform(); }},
    {"truncated_normal", [] { return initializers::truncated_normal(); }},
    {"uniform", [] { return random_uniform(); }},
    {"variance_scaling", [] { return variance_scaling(); }},
    {"zeros", [] { return initializers::constant(0); }},
};

struct Fans {
  double in = 1, out = 1;
};
Fans fans_of(const Shape& s) {
  if (s.rank() == 0) return {};
  if (s.rank() == 1) return {double(s[0]), double(s[0])};
  double field = 1;
  for (int i = 0; i < s.rank() - 2; ++i) field *= double(s[i]);
  return {field * double(s.dim(-2)), field * double(s.back())};
}

std::int64_t first_given(std::int64_t own, std::int64_t layers) { return own >= 0 ? own : layers; }

void check_stddev(const char* name, double stddev) {
  if (!(stddev >= 0)) throw UsageError(fmt::format("{}: stddev must be 0 or more, got {}.", name, stddev));
}

constexpr double kTruncatedStddev = 0.87962566103423978;  // of a unit normal cut at two deviations

}  // namespace

Initializer::Initializer(const char* name, Where where) {
  CallSite site(where);
  name = detail::text_of(name);
  std::vector<std::string> known;
  for (auto& [n, make] : table) {
    if (std::string(n) == name) {
      *this = make();
      name_ = name;
      return;
    }
    known.push_back(n);
  }
  detail::unknown_name("initializer", name, known);
}

Tensor Initializer::operator()(const Shape& shape, std::int64_t seed, Where where) const {
  CallSite site(where);
  if (!function_) throw UsageError("initializer: it is empty; give it a name or a function.");
  Tensor t = function_(shape, seed);
  if (!t.defined() || t.shape() != shape)
    throw ShapeError(fmt::format("initializer: '{}' was asked for {} and gave {}.", name_, shape.str(),
                                 t.defined() ? t.shape().str() : "an undefined tensor"));
  return t;
}

namespace initializers {

Initializer constant(double value) {
  return {"constant", [=](const Shape& s, std::int64_t) { return full(s, value); }};
}

Initializer random_normal(NormalOptions o, Where where) {
  CallSite site(where);
  check_stddev("random_normal", o.stddev);
  return {"random_normal", [=](const Shape& s, std::int64_t seed) {
            return random::normal(s, {.mean = o.mean, .stddev = o.stddev, .seed = first_given(o.seed, seed)});
          }};
}

Initializer truncated_normal(NormalOptions o, Where where) {
  CallSite site(where);
  check_stddev("truncated_normal", o.stddev);
  return {"truncated_normal", [=](const Shape& s, std::int64_t seed) {
            return random::truncated_normal(s, {.mean = o.mean, .stddev = o.stddev, .seed = first_given(o.seed, seed)});
          }};
}

Initializer random_uniform(UniformOptions o, Where where) {
  CallSite site(where);
  if (!(o.minval < o.maxval))
    throw UsageError(fmt::format("random_uniform: minval must be below maxval, got {} and {}.", o.minval, o.maxval));
  return {"random_uniform", [=](const Shape& s, std::int64_t seed) {
            return random::uniform(s, {.low = o.minval, .high = o.maxval, .seed = first_given(o.seed, seed)});
          }};
}

Initializer variance_scaling(VarianceOptions o, Where where) {
  CallSite site(where);
  if (!(o.scale > 0)) throw UsageError(fmt::format("variance_scaling: scale must be positive, got {}.", o.scale));
  return {"variance_scaling", [=](const Shape& s, std::int64_t seed) {
            const Fans f = fans_of(s);
            const double fan = o.mode == Fan::in ? f.in : o.mode == Fan::out ? f.out : (f.in + f.out) / 2;
            const double variance = o.scale / std::max(1.0, fan);
            seed = first_given(o.seed, seed);
            if (o.distribution == Distribution::uniform) {
              const double limit = std::sqrt(3 * variance);
              return random::uniform(s, {.low = -limit, .high = limit, .seed = seed});
            }
            if (o.distribution == Distribution::untruncated_normal)
              return random::normal(s, {.stddev = std::sqrt(variance), .seed = seed});
            return random::truncated_normal(s, {.stddev = std::sqrt(variance) / kTruncatedStddev, .seed = seed});
          }};
}

Initializer orthogonal(OrthogonalOptions o) {
  return {"orthogonal", [=](const Shape& s, std::int64_t seed) {
            if (s.rank() < 2) throw ShapeError(fmt::format("orthogonal: needs 2 dimensions or more, got {}.", s.str()));
            if (s.size() == 0) return zeros(s);
            using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
            const auto columns = s.back(), rows = s.size() / columns, tall = std::max(rows, columns),
                       thin = std::min(rows, columns);
            const Tensor draw = random::normal({tall, thin}, {.seed = first_given(o.seed, seed)}).to(Device::cpu());
            Eigen::HouseholderQR<Matrix> qr(Eigen::Map<const Matrix>(draw.data<float>(), tall, thin));
            Matrix q = qr.householderQ() * Matrix::Identity(tall, thin);
            for (Eigen::Index j = 0; j < thin; ++j)  // the sign that makes the distribution uniform
              if (qr.matrixQR()(j, j) < 0) q.col(j) = -q.col(j);
            q *= float(o.gain);
            Matrix out = rows < columns ? Matrix(q.transpose()) : q;
            return Tensor::from_memory(out.data(), s);
          }};
}

Initializer identity(double gain) {
  return {"identity", [=](const Shape& s, std::int64_t) {
            if (s.rank() != 2 || s[0] != s[1])
              throw ShapeError(fmt::format("identity: needs a square matrix, got {}.", s.str()));
            return eye(s[0]) * gain;
          }};
}

}  // namespace initializers
}  // namespace tapir::nn
