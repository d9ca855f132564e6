// What optimizers say to wrong arguments; a step that is refused moves nothing.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;

namespace {

template <class E>
void check_step(const std::vector<Tensor>& gradients, std::vector<Variable> variables, const std::string& text) {
  optim::Adam adam;
  Variable first = variables.empty() ? Variable() : variables[0];
  const Tensor before = first.defined() ? first.value() : Tensor();
  check_error<E>([&] { adam.apply_gradients(gradients, variables); }, text);
  CHECK(adam.iterations().value().item<std::int64_t>() == 0);
  CHECK(adam.variables().size() == 2);
  if (first.defined()) CHECK(golden::distance(first.value(), before) == 0);
}

}  // namespace

TEST_CASE("gradients that do not fit") {
  const Variable v(ones({2, 3}), "dense/kernel"), w(ones({3}), "dense/bias"), counts(ones({3}, DType::i64), "counts");
  check_step<UsageError>({ones({2, 3})}, {v, w}, "apply_gradients: 1 gradients for 2 variables.");
  check_step<ShapeError>({ones({2, 3}), ones({2})}, {v, w},
                         "apply_gradients: variable 'dense/bias' has shape [3], its gradient [2].");
  check_step<DTypeError>({ones({2, 3}), ones({3}, DType::f64)}, {v, w},
                         "apply_gradients: variable 'dense/bias' is f32, its gradient f64.");
  check_step<DTypeError>({ones({2, 3}), ones({3}, DType::i64)}, {v, counts},
                         "apply_gradients: variable 'counts' must be floating, got i64.");
  check_step<UsageError>({ones({2, 3}), ones({3})}, {v, Variable()}, "apply_gradients: variable 1 is undefined.");
  const char* none =
      "apply_gradients: no gradient is defined. Does the loss depend on the variables, and was it computed under the "
      "tape?";
  check_step<UsageError>({Tensor(), Tensor()}, {v, w}, none);
  check_step<UsageError>({}, {}, none);
}

TEST_CASE("options") {
  using namespace optim;
  check_error<UsageError>([] { SGD({.learning_rate = -1}); }, "SGD: learning_rate must be 0 or more, got -1.");
  check_error<UsageError>([] { SGD({.momentum = 1.5}); }, "SGD: momentum must be in [0, 1], got 1.5.");
  check_error<UsageError>([] { SGD({.clipnorm = -1}); }, "SGD: clipnorm must be 0 or more, got -1.");
  check_error<UsageError>([] { SGD({.clipnorm = 1, .clipvalue = 1}); },
                          "SGD: only one of clipnorm, clipvalue and global_clipnorm may be set.");
  check_error<UsageError>([] { Adam({.clipvalue = -2}); }, "Adam: clipvalue must be 0 or more, got -2.");
  check_error<UsageError>([] { Adam({.learning_rate = NAN}); }, "Adam: learning_rate must be 0 or more, got nan.");
  check_error<UsageError>([] { Adam({.beta_1 = 1}); }, "Adam: beta_1 must be in [0, 1), got 1.");
  check_error<UsageError>([] { Adam({.beta_2 = -0.1}); }, "Adam: beta_2 must be in [0, 1), got -0.1.");
  check_error<UsageError>([] { AdamW({.weight_decay = -1}); }, "AdamW: weight_decay must be 0 or more, got -1.");
  check_error<UsageError>([] { RMSprop({.rho = 1}); }, "RMSprop: rho must be in [0, 1), got 1.");
  check_error<UsageError>([] { RMSprop({.epsilon = -1}); }, "RMSprop: epsilon must be 0 or more, got -1.");
  check_error<UsageError>([] { Adagrad({.initial_accumulator_value = -1}); },
                          "Adagrad: initial_accumulator_value must be 0 or more, got -1.");
  check_error<UsageError>([] { Adagrad({.clipnorm = 1, .global_clipnorm = 1}); },
                          "Adagrad: only one of clipnorm, clipvalue and global_clipnorm may be set.");
  check_error<UsageError>([] { SGD().set_learning_rate(-0.5); },
                          "set_learning_rate: the rate must be 0 or more, got -0.5.");
  check_error<UsageError>([] { Optimizer("rmsprob"); },
                          "optimizer: there is no 'rmsprob'. Did you mean 'rmsprop'? There are: adadelta, adafactor, "
                          "adagrad, adam, adamax, adamw, ftrl, lamb, lion, muon, nadam, rmsprop, sgd.");
}
