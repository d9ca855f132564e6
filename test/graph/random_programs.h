// Random programs over tensors, for tests: the same seed gives the same program, which runs eagerly or in a trace.
#pragma once
#include <tapir/tapir.h>

#include <functional>
#include <random>

namespace random_programs {

using tapir::Tensor;
using List = std::vector<Tensor>;

struct Step {
  std::string name;
  std::vector<int> in;
  std::function<Tensor(const List&)> run;
};

/// Values are numbered: the inputs, then one a step.
struct Program {
  int seed = 0;
  List inputs;                // an example
  std::vector<bool> batched;  // per input: is its first dimension the batch, of any size?
  std::vector<Step> steps;
  std::vector<int> outputs;

  List run(const List& inputs) const;
  /// The example with another batch size.
  List inputs_for(std::int64_t batch) const;
  std::string str() const;
};

/// What f gives, then the gradients of the sum of its squares with respect to the floating inputs.
List with_gradients(const std::function<List(const List&)>& f, const List& inputs);

/// A program of up to `most` steps. With `batch` some inputs have a first dimension that no step looks at the size of.
Program make_program(int seed, int most, bool batch);

}  // namespace random_programs
