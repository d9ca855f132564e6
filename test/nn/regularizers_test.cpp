// Regularizers, constraints and add_loss beside real Keras: test/golden/regularizers.json.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;
using golden::distance;
namespace regularizers = nn::regularizers;
namespace constraints = nn::constraints;

namespace {

const golden::Family& family() {
  static const golden::Family f("regularizers");
  return f;
}

nn::Regularizer regularizer(const std::string& kind, const nlohmann::json& a) {
  if (kind == "L1") return regularizers::L1(a.value("l1", 0.01));
  if (kind == "L2") return regularizers::L2(a.value("l2", 0.01));
  if (kind == "L1L2") return regularizers::L1L2({.l1 = a["l1"], .l2 = a["l2"]});
  REQUIRE(kind == "OrthogonalRegularizer");
  return regularizers::OrthogonalRegularizer(
      {.factor = a.value("factor", 0.01),
       .mode = a.value("mode", "rows") == "rows" ? regularizers::Vectors::rows : regularizers::Vectors::columns});
}

nn::Constraint constraint(const std::string& kind, const nlohmann::json& a) {
  Axes axis{0};
  if (a.contains("axis")) {
    axis = {};
    for (auto& d : a["axis"]) axis.push_back(d.get<std::int64_t>());
  }
  if (kind == "MaxNorm") return constraints::MaxNorm({.max_value = a.value("max_value", 2.0), .axis = axis});
  if (kind == "NonNeg") return constraints::NonNeg();
  if (kind == "UnitNorm") return constraints::UnitNorm({.axis = axis});
  REQUIRE(kind == "MinMaxNorm");
  return constraints::MinMaxNorm({.min_value = a.value("min_value", 0.0),
                                  .max_value = a.value("max_value", 1.0),
                                  .rate = a.value("rate", 1.0),
                                  .axis = axis});
}

struct Added : nn::Layer {
  Tensor call(const Tensor& x, bool) override {
    add_loss(0.1 * mean(square(x)));
    return x;
  }
};

nn::Sequential network() {
  return {nn::Dense(4, {.activation = "tanh",
                        .kernel_regularizer = regularizers::L1L2({.l1 = 0.01, .l2 = 0.02}),
                        .bias_regularizer = regularizers::L2(0.1),
                        .activity_regularizer = regularizers::L2(0.01),
                        .kernel_constraint = constraints::MaxNorm({.max_value = 0.7})}),
          Added(), nn::Dense(1, {.kernel_regularizer = "l2", .kernel_constraint = "non_neg"})};
}

}  // namespace

TEST_CASE("values are those of Keras") {
  for (auto& c : family().cases) {
    if (c["op"] == "fit") continue;
    INFO(c["name"]);
    const std::string kind = c["op"];
    const Tensor x = family().get(c["name"], "x"), y = family().get(c["name"], "y");
    const bool constrains = kind.find("Norm") != std::string::npos || kind == "NonNeg";
    auto f = [&](const Tensor& t) {
      return constrains ? constraint(kind, c["attrs"])(t) : regularizer(kind, c["attrs"])(t);
    };
    CHECK(distance(f(x), y) < 1e-6);
    CHECK(distance(function(f)(x), y) < 1e-6);
  }
}

TEST_CASE("a model with all of them trains as Keras's, eager and traced") {
  auto get = [](const std::string& field) { return family().get("train", field); };
  for (bool eagerly : {false, true}) {
    nn::Sequential model = network();
    model.compile({.optimizer = optim::SGD({.learning_rate = 0.1}), .loss = "mse", .run_eagerly = eagerly});
    model.build({3});
    auto variables = model.variables();
    REQUIRE(variables.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) variables[i].assign(get("start_" + std::to_string(i)));
    nn::History h = model.fit(
        get("x"), get("y"),
        {.epochs = 5, .batch_size = 4, .validation_data = {get("x"), get("y")}, .shuffle = false, .verbose = 0});
    for (int epoch = 0; epoch < 5; ++epoch) {
      CHECK(h["loss"][std::size_t(epoch)] == doctest::Approx(get("losses")[epoch].item<float>()).epsilon(1e-5));
      CHECK(h["val_loss"][std::size_t(epoch)] == doctest::Approx(get("val_losses")[epoch].item<float>()).epsilon(1e-5));
    }
    for (std::size_t i = 0; i < 4; ++i) CHECK(distance(variables[i].value(), get("end_" + std::to_string(i))) < 1e-5);
  }
}

TEST_CASE("a loop of one's own; frozen weights cost nothing and stay") {
  nn::Sequential model{nn::Dense(2, {.use_bias = false,
                                     .kernel_initializer = "ones",
                                     .kernel_regularizer = "l2",
                                     .activity_regularizer = regularizers::L1(1),
                                     .kernel_constraint = constraints::UnitNorm()})};
  model.build({2});
  nn::LossScope added;
  model(ones({1, 2}));
  CHECK(added.losses().size() == 1);
  CHECK(added.total().item<float>() == 4);
  CHECK(model.regularization_loss().item<float>() == doctest::Approx(0.04));
  {
    nn::LossScope inner;
    CHECK(inner.total().item<float>() == 0);
  }
  model.set_trainable(false);
  CHECK(model.regularization_loss().item<float>() == 0);
  model.apply_constraints();
  CHECK(distance(model.variables()[0].value(), ones({2, 2})) == 0);
  model.set_trainable(true);
  model.apply_constraints();
  CHECK(distance(model.variables()[0].value(), full({2, 2}, float(std::sqrt(0.5)))) < 1e-6);
}

TEST_CASE("layers take them by their own names") {
  const Tensor image = ones({1, 4, 4, 2});
  auto cost = [](nn::Layer&& layer, const Tensor& x) {
    nn::LossScope added;
    layer(x);
    return layer.regularization_loss().item<float>() + 1000 * added.total().item<float>();
  };
  const regularizers::L1 one(1);
  CHECK(cost(nn::Conv2D(3, 2, {.kernel_initializer = "ones", .kernel_regularizer = one}), image) == 24);
  CHECK(cost(nn::Conv2D(3, 2, {.kernel_initializer = "zeros", .bias_initializer = "ones", .bias_regularizer = one}),
             image) == 3);
  CHECK(cost(nn::Conv2D(3, 4, {.kernel_initializer = "zeros", .bias_initializer = "ones", .activity_regularizer = one}),
             image) == 3000);
  CHECK(cost(nn::Conv2DTranspose(3, 2, {.kernel_initializer = "ones", .kernel_regularizer = one}), image) == 24);
  CHECK(cost(nn::DepthwiseConv2D(2, {.depthwise_initializer = "ones", .depthwise_regularizer = one}), image) == 8);
  CHECK(cost(nn::SeparableConv2D(5, 2,
                                 {.depthwise_initializer = "zeros",
                                  .pointwise_initializer = "ones",
                                  .depthwise_regularizer = one,
                                  .pointwise_regularizer = one}),
             image) == 10);
  CHECK(cost(nn::Embedding(5, 2, {.embeddings_initializer = "ones", .embeddings_regularizer = one}),
             zeros({1}, DType::i64)) == 10);
}

TEST_CASE("a function; what is refused") {
  const nn::Regularizer own([](const Tensor& x) { return max(x); });
  CHECK(own(tensor({1.0f, 3.0f})).item<float>() == 3);
  check_error<UsageError>([] { nn::Regularizer("l3"); },
                          "regularizer: there is no 'l3'. Did you mean 'l1'? There are: l1, l1_l2, l2, "
                          "orthogonal_regularizer.");
  check_error<UsageError>([] { nn::Constraint("max_nrm"); },
                          "constraint: there is no 'max_nrm'. Did you mean 'max_norm'? There are: max_norm, "
                          "min_max_norm, non_neg, unit_norm.");
  check_error<UsageError>([] { regularizers::L2(-1); }, "L2: l2 must be 0 or more, got -1.");
  check_error<UsageError>([] { constraints::MinMaxNorm({.min_value = 2}); },
                          "MinMaxNorm: max_value 1 is below min_value 2.");
  check_error<ShapeError>([] { regularizers::OrthogonalRegularizer()(ones({2})); },
                          "OrthogonalRegularizer: needs a matrix, got [2].");
  check_error<ShapeError>([] { nn::Regularizer([](const Tensor& x) { return x; })(ones({2})); },
                          "regularizer: must give a scalar, got [2].");
}
