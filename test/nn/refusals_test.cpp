// Names that are null, things that were moved from, losses that are none: refused or harmless, never a crash.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;

namespace {

const Tensor x = ones({2, 3});
const char* const null = nullptr;

template <class F>
void refused(F&& f, const std::string& start) {
  try {
    f();
  } catch (const UsageError& e) {
    const std::string what = e.what();
    CHECK_MESSAGE(what.find("_test.cpp:") != std::string::npos, what);
    CHECK_MESSAGE(what.find(": " + start) != std::string::npos, what);
    return;
  }
  FAIL_CHECK("no error: " << start);
}

}  // namespace

TEST_CASE("a null name is a name that nothing has") {
  refused([] { nn::Activation{null}; }, "activation: there is no ''. There are: elu, ");
  refused([] { nn::Dense(3, {.activation = null}); }, "activation: there is no ''. There are: elu, ");
  refused([] { nn::Initializer{null}; }, "initializer: there is no ''. There are: glorot_normal, ");
  refused([] { nn::Metric{null}; }, "metric: there is no ''. There are: acc, ");
  refused([] { nn::Loss{null}; }, "loss: there is no ''. There are: bce, ");
  refused([] { optim::Optimizer{null}; }, "optimizer: there is no ''. There are: adadelta, ");
  refused([] { nn::Conv2D(4, 3, {.padding = null}); }, "padding: there is no ''. There are: causal, ");
}

TEST_CASE("losses name the line of their call") {
  check_error<ShapeError>(
      [] {
        nn::Loss("mse")(x, ones({2, 5}));
      },
      ": mean_squared_error: y_true [2, 3] and y_pred [2, 5] differ in shape.");
  check_error<UsageError>([] { nn::Loss()(x, x); }, ": loss: it is empty; give it a name or a function.");
  check_error<UsageError>([] { nn::Loss([](const Tensor&, const Tensor&) { return Tensor(); })(x, x); },
                          ": loss: the function gave an undefined tensor.");
  check_error<DTypeError>([] { nn::ActivationFunction("relu")(tensor({true})); }, ": relu: needs numbers, got bool.");
}

TEST_CASE("the batch is not normalised") {
  for (const Axes& axis : {Axes(0), Axes{}}) {
    check_error<ShapeError>([&] { nn::LayerNormalization({.axis = axis})(x); },
                            ": LayerNormalization: axis 0 is the batch; name the axes of the features.");
    check_error<ShapeError>([&] { nn::RMSNormalization({.axis = axis})(x); },
                            ": RMSNormalization: axis 0 is the batch; name the axes of the features.");
  }
}

TEST_CASE("a model that was moved from goes on, with the same layers") {
  nn::Sequential model({nn::Dense(3)});
  model.compile({.optimizer = "sgd", .loss = "mse"});
  const Tensor y = model.predict(x);
  nn::Sequential other(std::move(model));
  CHECK(array_equal(other.predict(x), y));
  CHECK(array_equal(model.predict(x), y));
  model.fit(x, x, {.epochs = 2, .verbose = 0});
  CHECK(array_equal(other.predict(x), model.predict(x)));
  CHECK_FALSE(array_equal(model.predict(x), y));
}
