// Random numbers: Philox4x32-10 (see ops/philox.h). A draw with a seed gives the same numbers every time; one without
// takes the next stream of the global generator, which set_seed starts anew. Either way the numbers do not depend on
// the number of threads. Normal numbers may differ in the last bits between instruction sets.
#pragma once
#include <tapir/ops/op.h>

namespace tapir::random {

struct UniformOptions {
  double low = 0, high = 1;
  DType dtype = DType::f32;
  std::int64_t seed = -1;  ///< -1: from the global generator
  Tensor key = {};         ///< instead of a seed: i64 [2], as random::key gives it; may be a Variable's value
};
/// Uniform in [low, high); f32 from 24 random bits, f64 from 53. Throws DTypeError unless floating, UsageError unless
/// low < high.
Tensor uniform(const Shape& shape, UniformOptions options = {}, Where where = Where::current());

struct NormalOptions {
  double mean = 0, stddev = 1;
  DType dtype = DType::f32;
  std::int64_t seed = -1;  ///< -1: from the global generator
  Tensor key = {};         ///< instead of a seed: i64 [2], as random::key gives it; may be a Variable's value
};
/// Normal numbers, by Box and Muller. Throws DTypeError unless floating, UsageError if stddev < 0.
Tensor normal(const Shape& shape, NormalOptions options = {}, Where where = Where::current());
/// Normal numbers of which those beyond mean +- 2 stddev are drawn again, as in TensorFlow. Their deviation is 0.88
/// stddev.
Tensor truncated_normal(const Shape& shape, NormalOptions options = {}, Where where = Where::current());

struct IntegersOptions {
  DType dtype = DType::i64;
  std::int64_t seed = -1;  ///< -1: from the global generator
};
/// Integers in [low, high): 64 random bits times the range, the upper half; no value is preferred by more than
/// (high - low) / 2^64. Throws UsageError unless low < high and the dtype holds both, DTypeError unless it is an
/// integer.
Tensor integers(const Shape& shape, std::int64_t low, std::int64_t high, IntegersOptions options = {},
                Where where = Where::current());

struct BernoulliOptions {
  DType dtype = DType::boolean;
  std::int64_t seed = -1;  ///< -1: from the global generator
};
/// True (or 1) with the given probability; any dtype. Throws UsageError unless 0 <= probability <= 1.
Tensor bernoulli(const Shape& shape, double probability, BernoulliOptions options = {}, Where where = Where::current());

struct DrawOptions {
  std::int64_t seed = -1;  ///< -1: from the global generator
};
/// Class indices drawn with the probabilities softmax(logits): [B, C] gives i64 [B, num_samples], [C] gives
/// [num_samples]. Throws ShapeError for other ranks, DTypeError unless floating.
Tensor categorical(const Tensor& logits, std::int64_t num_samples, DrawOptions options = {},
                   Where where = Where::current());
/// The numbers 0 ... n-1 in random order, i64, by Fisher and Yates.
Tensor permutation(std::int64_t n, DrawOptions options = {}, Where where = Where::current());
/// x with its first dimension in random order; any dtype. Throws ShapeError for a scalar.
Tensor shuffle(const Tensor& x, DrawOptions options = {}, Where where = Where::current());

/// Starts the global generator anew: the same draws follow each time. It starts from a random seed.
void set_seed(std::int64_t seed, Where where = Where::current());

/// Where the global generator stands. Going back to it repeats the draws that followed; recomputation needs that.
struct GeneratorState {
  std::int64_t seed = 0, stream = 0;
};
/// Where it stands now.
GeneratorState generator_state();
/// Goes to `state`.
void set_generator_state(const GeneratorState& state);

/// What draws are made from, as a tensor: i64 [2], the seed and the stream. Without a seed, the next of the global
/// generator: in a trace, anew on each call.
Tensor key(std::int64_t seed = -1, Where where = Where::current());
/// The next `count` keys of the global generator: i64 [count, 2].
Tensor keys(std::int64_t count, Where where = Where::current());

}  // namespace tapir::random
