// What losses say to wrong arguments.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;

namespace {
const Tensor p = random::uniform({4, 3}, {.seed = 1}), t = one_hot(tensor({0, 2, 1, 1}), 3),
             classes = tensor({0, 2, 1, 1});
}

TEST_CASE("shapes") {
  check_error<ShapeError>(
      [] {
        nn::mean_squared_error(ones({4, 2}), p);
      },
      "mean_squared_error: y_true [4, 2] and y_pred [4, 3] differ in shape.");
  check_error<ShapeError>([] { nn::huber(ones({3}), p); }, "huber: y_true [3] and y_pred [4, 3] differ in shape.");
  const char* hint =
      " y_true [4] and y_pred [4, 3] differ in shape. For class numbers there is sparse_categorical_crossentropy.";
  check_error<ShapeError>([] { nn::categorical_crossentropy(classes, p); },
                          std::string("categorical_crossentropy:") + hint);
  check_error<ShapeError>([] { nn::categorical_focal_crossentropy(classes, p); },
                          std::string("categorical_focal_crossentropy:") + hint);
  check_error<ShapeError>([] { nn::sparse_categorical_crossentropy(t, p); },
                          "sparse_categorical_crossentropy: y_true [4, 3] are not the class numbers of y_pred [4, 3]. "
                          "For distributions there is categorical_crossentropy.");
  check_error<ShapeError>(
      [] {
        nn::sparse_categorical_crossentropy(tensor({1, 2}), p);
      },
      "sparse_categorical_crossentropy: y_true [2] are not the class numbers of y_pred [4, 3].");
  check_error<ShapeError>([] { nn::categorical_crossentropy(1.0f, 1.0f); },
                          "categorical_crossentropy: needs a last axis of classes, got [].");
  check_error<ShapeError>([] { nn::categorical_hinge(1.0f, 1.0f); },
                          "categorical_hinge: needs a last axis of classes, got [].");
  check_error<ShapeError>([] { nn::cosine_similarity(t, p, {.axis = 2}); },
                          "cosine_similarity: axis 2 is out of range for rank 2.");
  check_error<ShapeError>([] { nn::mean_squared_error(t, p, {.sample_weight = ones({3})}); },
                          "mean_squared_error: sample_weight [3] does not fit the values [4].");
  check_error<ShapeError>(
      [] {
        nn::mean_squared_error(t, p, {.sample_weight = ones({4, 3})});
      },
      "mean_squared_error: sample_weight [4, 3] does not fit the values [4].");
}

TEST_CASE("dtypes and undefined tensors") {
  check_error<DTypeError>([] { nn::mean_absolute_error(t, classes); },
                          "mean_absolute_error: y_pred must be floating, got i32.");
  check_error<DTypeError>([] { nn::sparse_categorical_crossentropy(classes, t.astype(DType::i32)); },
                          "sparse_categorical_crossentropy: y_pred must be floating, got i32.");
  check_error<UsageError>([] { nn::poisson(Tensor(), p); }, "poisson: y_true is an undefined tensor.");
  check_error<UsageError>([] { nn::poisson(t, Tensor()); }, "poisson: y_pred is an undefined tensor.");
  check_error<UsageError>([] { nn::sparse_categorical_crossentropy(Tensor(), p); },
                          "sparse_categorical_crossentropy: y_true is an undefined tensor.");
}

TEST_CASE("options") {
  check_error<UsageError>([] { nn::huber(t, p, {.delta = 0}); }, "huber: delta must be positive, got 0.");
  check_error<UsageError>([] { nn::binary_crossentropy(t, p, {.label_smoothing = -0.1}); },
                          "binary_crossentropy: label_smoothing must be in [0, 1], got -0.1.");
  check_error<UsageError>([] { nn::categorical_crossentropy(t, p, {.label_smoothing = 1.5}); },
                          "categorical_crossentropy: label_smoothing must be in [0, 1], got 1.5.");
  check_error<UsageError>([] { nn::binary_focal_crossentropy(t, p, {.gamma = -1}); },
                          "binary_focal_crossentropy: gamma must be 0 or more, got -1.");
  check_error<UsageError>(
      [] {
        nn::sparse_categorical_crossentropy(tensor({0, 3, 1, 1}), p);
      },
      "sparse_softmax_cross_entropy_with_logits: label 3 is out of range for 3 classes.");
}

TEST_CASE("names") {
  check_error<UsageError>(
      [] { nn::Loss("mean_square_error"); },
      "loss: there is no 'mean_square_error'. Did you mean 'mean_squared_error'? There are: bce, binary_crossentropy, "
      "binary_focal_crossentropy, categorical_crossentropy, categorical_focal_crossentropy, "
      "categorical_generalized_cross_entropy, categorical_hinge, circle, cosine_similarity, ctc, dice, hinge, huber, "
      "kl_divergence, kld, log_cosh, mae, mape, mean_absolute_error, "
      "mean_absolute_percentage_error, mean_squared_error, mean_squared_logarithmic_error, mse, msle, poisson, "
      "sparse_categorical_crossentropy, squared_hinge, tversky.");
  CHECK(!nn::Loss().defined());
  CHECK(nn::Loss("mse").name() == "mse");
  const nn::Loss own([](const Tensor& a, const Tensor& b) { return abs(a - b); });
  CHECK(own.name() == "custom");
  CHECK(own(t, p).item<float>() == doctest::Approx(mean(abs(t - p)).item<float>()));
  CHECK(own(t, p, tensor({0.0f, 0.0f, 0.0f, 0.0f})).item<float>() == 0);
}
