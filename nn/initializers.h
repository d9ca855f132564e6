// Initialisers: how weights start. By name with Keras's defaults, by the functions below, or by any function.
#pragma once
#include <tapir/tensor/callable.h>
#include <tapir/tensor/tensor.h>

#include <string>

namespace tapir::nn {

/// What `.kernel_initializer` and its kin take: a name ("glorot_uniform", "he_normal", "zeros", ...), a function below,
/// or any `Tensor(const Shape& shape, std::int64_t seed)`; seed -1 means "from the global generator".
class Initializer {
 public:
  Initializer() = default;
  Initializer(const char* name, Where where = Where::current());
  Initializer(const std::string& name, Where where = Where::current()) : Initializer(name.c_str(), where) {}
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Shape&, std::int64_t> Initializer(F f)
      : name_("custom"), function_(std::move(f)) {}
  Initializer(std::string name, Callable<Tensor(const Shape&, std::int64_t)> f)
      : name_(std::move(name)), function_(std::move(f)) {}

  /// Fresh values, f32.
  Tensor operator()(const Shape& shape, std::int64_t seed = -1, Where where = Where::current()) const;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  Callable<Tensor(const Shape&, std::int64_t)> function_;
};

namespace initializers {

/// Each has Keras's name and defaults. `seed` fixes the numbers; -1 leaves it to the layer, then to the global
/// generator.
struct NormalOptions {
  double mean = 0, stddev = 0.05;
  std::int64_t seed = -1;
};
struct UniformOptions {
  double minval = -0.05, maxval = 0.05;
  std::int64_t seed = -1;
};
/// Which of the two numbers of connections the variance is divided by, or their mean.
enum class Fan : std::uint8_t { in, out, average };
/// What variance_scaling draws from.
enum class Distribution : std::uint8_t { truncated_normal, untruncated_normal, uniform };
struct VarianceOptions {
  double scale = 1;
  Fan mode = Fan::in;
  Distribution distribution = Distribution::truncated_normal;
  std::int64_t seed = -1;
};
struct OrthogonalOptions {
  double gain = 1;
  std::int64_t seed = -1;
};

// They throw UsageError if a deviation is negative, a scale not positive, or minval not below maxval.

Initializer constant(double value);
Initializer random_normal(NormalOptions options = {}, Where where = Where::current());
/// Values beyond two deviations are drawn again.
Initializer truncated_normal(NormalOptions options = {}, Where where = Where::current());
Initializer random_uniform(UniformOptions options = {}, Where where = Where::current());
/// Variance scale / fan, where [..., in, out] has fan_in = in * prod(...) and fan_out = out * prod(...).
/// scale 1, average: Glorot and Bengio, AISTATS 2010; scale 2, in: He et al., ICCV 2015; scale 1, in: LeCun et al.,
/// 1998.
Initializer variance_scaling(VarianceOptions options = {}, Where where = Where::current());
/// Orthonormal columns (or rows, whichever are fewer) of the shape seen as a matrix [prod(...), last], times gain.
/// Source: Saxe et al., ICLR 2014.
Initializer orthogonal(OrthogonalOptions options = {});
/// A square matrix with `gain` on the diagonal; ShapeError for other shapes.
Initializer identity(double gain = 1);

}  // namespace initializers
}  // namespace tapir::nn
