// Normalisation layers against Keras's: values, gradients, weights, moving statistics.
#include <tapir/test/ops/golden.h>

#include <map>
#include <memory>

using namespace golden;

namespace {

Axes axes_of(const nlohmann::json& a) {
  return a["axis"].is_array() ? Axes(a["axis"].get<std::vector<std::int64_t>>()) : Axes(a["axis"].get<int>());
}

std::unique_ptr<nn::Layer> layer_of(const std::string& op, const nlohmann::json& a) {
  const Axes axes = axes_of(a);
  const int axis = int(axes[0]);
  if (op == "BatchNormalization")
    return std::make_unique<nn::BatchNormalization>(nn::BatchNormalizationOptions{
        .axis = axis, .momentum = a["momentum"], .epsilon = a["epsilon"], .center = a["center"], .scale = a["scale"]});
  if (op == "LayerNormalization")
    return std::make_unique<nn::LayerNormalization>(nn::LayerNormalizationOptions{
        .axis = axes, .epsilon = a["epsilon"], .center = a["center"], .scale = a["scale"]});
  if (op == "GroupNormalization")
    return std::make_unique<nn::GroupNormalization>(nn::GroupNormalizationOptions{
        .groups = a["groups"], .axis = axis, .epsilon = a["epsilon"], .center = a["center"], .scale = a["scale"]});
  return std::make_unique<nn::RMSNormalization>(nn::RMSNormalizationOptions{.axis = axes, .epsilon = a["epsilon"]});
}

// Its weights by Keras's names; the golden file calls the scale of RMSNormalization gamma.
std::map<std::string, Variable> weights_of(const nn::Layer& layer, std::vector<std::string>& order) {
  std::map<std::string, Variable> weights;
  for (const Variable& v : layer.variables()) {
    std::string name = v.name().substr(v.name().rfind('/') + 1);
    order.push_back(name == "scale" ? "gamma" : name);
    weights.emplace(order.back(), v);
    CHECK(v.trainable() == (name.find("moving") == std::string::npos));
  }
  return weights;
}

}  // namespace

TEST_CASE("normalisation layers: Keras's values, gradients, weights and moving statistics; eager and traced") {
  Family family("norm");
  int seen = 0;
  for (auto& c : family.cases)
    for (bool traced : {false, true}) {
      const std::string name = c["name"], op = c["op"];
      CAPTURE(name);
      CAPTURE(traced);
      auto get = [&](const std::string& field) { return family.get(name, field); };
      const bool training = c["attrs"].value("training", false);
      const Tensor x = get("x");
      auto layer = layer_of(op, c["attrs"]);
      layer->build(x.shape().last(x.rank() - 1));

      std::vector<std::string> keras, order;
      for (const char* w : {"gamma", "beta", "moving_mean", "moving_variance"})
        if (io::contains(family.arrays, name + "." + w)) keras.push_back(w);
      auto weights = weights_of(*layer, order);
      REQUIRE(order == keras);
      for (auto& [w, v] : weights) v.assign(get(w));

      // y, dx, and the gradients of the trainable weights.
      auto step = [&](const std::vector<Tensor>& in) {
        GradientTape tape({.persistent = true});
        tape.watch(in[0]);
        std::vector<Tensor> all = {(*layer)(in[0], {.training = training})};
        all.push_back(tape.gradient(all[0], in[0], {.output_gradients = in[1]}));
        for (auto& v : layer->trainable_variables())
          all.push_back(tape.gradient(all[0], v, {.output_gradients = in[1]}));
        return all;
      };
      const std::vector<Tensor> in = {x, get("dy")}, got = traced ? function(step)(in) : step(in);
      // Keras computed these in f64, the layers compute in f32, which knows a mean of 100 to 4e-6.
      CHECK(distance(got[0], get("y")) < 1e-5);
      CHECK(distance(got[1], get("dx")) < 1e-5);
      std::size_t k = 2;
      for (const char* w : {"gamma", "beta"})
        if (weights.count(w)) CHECK(distance(got[k++], get(std::string("d") + w)) < 2e-5);
      CHECK(k == got.size());
      for (const char* w : {"moving_mean", "moving_variance"})
        if (weights.count(w))
          CHECK(distance(weights.at(w).value(), get((training ? "new_" : "") + std::string(w))) < 2e-6);
      ++seen;
    }
  CHECK(seen == 52);
}

TEST_CASE("BatchNormalization: training moves the statistics, inference and frozen layers do not") {
  const Tensor x = randn({50, 3}, DType::f32) * 2.0f + 5.0f;
  nn::BatchNormalization layer({.momentum = 0.5});
  const Tensor first = layer(x);
  CHECK(distance(first, x / std::sqrt(1.001f)) < 1e-6);  // zeros and ones
  CHECK(distance(layer.variables()[2].value(), zeros({3})) == 0);
  const Tensor y = layer(x, {.training = true});
  CHECK(distance(mean(y, {.axis = 0}), zeros({3})) < 1e-6);
  CHECK(distance(layer.variables()[2].value(), mean(x, {.axis = 0}) * 0.5f) < 1e-6);
  CHECK(distance(layer.variables()[3].value(), var(x, {.axis = 0}) * 0.5f + 0.5f) < 1e-6);
  layer.set_trainable(false);
  const Tensor before = layer.variables()[2].value();
  CHECK(distance(layer(x, {.training = true}), layer(x)) == 0);
  CHECK(distance(layer.variables()[2].value(), before) == 0);
}

TEST_CASE("normalisation layers: options and errors") {
  // Keras reads the weights of several axes in x's order, whatever the order in which the axes are named.
  nn::LayerNormalization turned({.axis = {2, 1}});
  const Tensor x = randn({2, 3, 4}, DType::f32);
  turned.build({3, 4});
  CHECK(turned.variables()[0].shape() == Shape{4, 3});
  const Tensor gamma = randn({4, 3}, DType::f32);
  turned.variables()[0].assign(gamma);
  CHECK(distance(turned(x), layer_norm(x, reshape(gamma, {3, 4}), {}, {.axis = {1, 2}})) == 0);

  nn::GroupNormalization instance({.groups = -1});
  CHECK(distance(instance(x), group_norm(x, 4, {}, {})) == 0);
  nn::GroupNormalization halves({.groups = 2, .axis = 1});
  CHECK(distance(halves(zeros({2, 4, 3})), zeros({2, 4, 3})) == 0);

  check_error<UsageError>([] { nn::BatchNormalization layer({.epsilon = 0}); },
                          ": BatchNormalization: epsilon must be positive, got 0.");
  check_error<UsageError>([] { nn::BatchNormalization layer({.momentum = 1.5}); },
                          ": BatchNormalization: momentum must be in [0, 1], got 1.5.");
  check_error<UsageError>([] { nn::LayerNormalization layer({.epsilon = -1}); },
                          ": LayerNormalization: epsilon must be positive, got -1.");
  check_error<UsageError>([] { nn::GroupNormalization layer({.groups = 0}); },
                          ": GroupNormalization: groups must be positive, or -1 for one a feature, got 0.");
  check_error<UsageError>([] { nn::RMSNormalization layer({.epsilon = 0}); },
                          ": RMSNormalization: epsilon must be positive, got 0.");
  check_error<ShapeError>(
      [&] {
        nn::GroupNormalization layer({.groups = 3});
        layer(x);
      },
      ": GroupNormalization: 3 groups do not divide 4 features.");
  check_error<ShapeError>(
      [&] {
        nn::BatchNormalization layer({.axis = 0});
        layer(x);
      },
      ": BatchNormalization: axis 0 is the batch; name the axis of the features.");
  check_error<ShapeError>(
      [&] {
        nn::BatchNormalization layer;
        layer(x), layer(zeros({2, 5}));
      },
      ": batch_norm: mean of shape [4] does not broadcast to x [2, 5].");
}
