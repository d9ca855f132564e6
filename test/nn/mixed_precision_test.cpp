// Dtype policies and loss scaling beside real Keras: test/golden/mixed_precision.json; scopes, fit, files, refusals.
#include <tapir/test/io/files.h>
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::distance;
using nn::AnyLayer;

namespace {

const golden::Family& family() {
  static const golden::Family f("mixed_precision");
  return f;
}

// The models of make_mixed_precision.py, made under the policy that holds.
std::vector<AnyLayer> layers_of(const std::string& name) {
  if (name == "dense") return {nn::Dense(8, {.activation = "relu"}), nn::Dense(3)};
  if (name == "dense_then_float32") {
    nn::Activation softmax("softmax");
    softmax.set_dtype_policy("float32");
    return {nn::Dense(8, {.activation = "tanh"}), nn::Dense(3), softmax};
  }
  if (name == "normalized") return {nn::Dense(6), nn::BatchNormalization(), nn::LayerNormalization(), nn::Dense(3)};
  if (name == "conv")
    return {nn::Conv2D(4, 3, {.activation = "relu"}), nn::MaxPooling2D(2), nn::Flatten(), nn::Dense(3)};
  if (name == "lstm") return {nn::LSTM(6, {.return_sequences = true}), nn::GRU(4)};
  REQUIRE(name == "masked");
  return {nn::Embedding(8, 4, {.mask_zero = true}), nn::Bidirectional(nn::LSTM(3, {.return_sequences = true})),
          nn::GlobalAveragePooling1D()};
}

DType dtype_of(const std::string& name) {
  return name == "float16" ? DType::f16 : name == "bfloat16" ? DType::bf16 : DType::f32;
}

}  // namespace

TEST_CASE("models of mixed policies give what Keras gives, as near as halves are, and gradients in f32") {
  for (auto& c : family().cases) {
    if (c["op"] != "model") continue;
    const std::string full = c["name"], policy = c["attrs"]["policy"];
    INFO(full);
    auto get = [&](const std::string& field) { return family().get(full, field); };
    nn::DTypePolicyScope scope(policy);
    nn::Sequential net(layers_of(full.substr(0, full.find("_mixed"))));
    const bool training = full.starts_with("normal");
    const double near = policy == "mixed_float16" ? 4e-3 : 3e-2;
    const Tensor x = get("x");
    net(x);
    const std::vector<Variable> weights = net.variables();
    REQUIRE(weights.size() == c["weights"].size());
    for (std::size_t i = 0; i < weights.size(); ++i) CHECK(weights[i].dtype() == DType::f32);
    for (std::size_t i = 0; i < net.layers().size(); ++i)
      CHECK(net.layers()[i]->dtype_policy().compute_dtype() == dtype_of(c["computes"][i]));
    auto restore = [&] {
      for (std::size_t i = 0; i < weights.size(); ++i) Variable(weights[i]).assign(get("w" + std::to_string(i)));
    };
    auto step = [&](const Tensor& in) {
      nn::MaskScope masks;
      GradientTape tape;
      const Tensor y = net(in, {.training = training}), loss = nn::Loss("mse")(get("y_true"), y);
      std::vector<Tensor> out = tape.gradient(loss, net.trainable_variables());
      out.insert(out.end(), {y, loss});
      return out;
    };
    auto traced = function(step);
    for (bool graph : {false, true}) {
      restore();
      const std::vector<Tensor> all = graph ? traced(x) : step(x);
      const std::size_t n = all.size() - 2;
      CHECK(all[n].dtype() == dtype_of(c["dtype"]));
      CHECK(all[n + 1].dtype() == DType::f32);
      CHECK(distance(all[n], get("y")) < near);
      CHECK(distance(all[n + 1], get("loss")) < near);
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(all[i].dtype() == DType::f32);
        CHECK(distance(all[i], get("d" + std::to_string(i))) < near);
      }
    }
  }
}

TEST_CASE("LossScaleOptimizer moves variables and its scale as Keras, and skips what is not finite") {
  for (auto& c : family().cases) {
    if (c["op"] == "model") continue;
    const std::string name = c["name"];
    INFO(name);
    auto get = [&](const char* field) { return family().get(name, field); };
    for (bool graph : {false, true}) {
      optim::LossScaleOptions o;
      o.initial_scale = c["attrs"].value("initial_scale", o.initial_scale);
      o.dynamic_growth_steps = c["attrs"].value("dynamic_growth_steps", o.dynamic_growth_steps);
      const optim::Optimizer inner =
          name == "sgd"    ? optim::Optimizer(optim::SGD({.learning_rate = 0.1, .momentum = 0.9}))
          : name == "adam" ? optim::Optimizer(optim::Adam({.learning_rate = 0.1}))
                           : optim::Optimizer(optim::Adam({.learning_rate = 0.1, .clipnorm = 0.5}));
      optim::LossScaleOptimizer optimizer(inner, o);
      Variable v(get("start"), "v");
      optimizer.build({v});
      auto apply = [&](const Tensor& g) {
        optimizer.apply_gradients({g}, {v});
        return g;
      };
      auto traced = function(apply);
      const auto scales = get("scales").to_vector<float>(), losses = get("losses").to_vector<float>();
      const auto iterations = get("iterations").to_vector<std::int64_t>();
      for (int i = 0; i < 12; ++i) {
        CHECK(optimizer.scale_loss(Tensor(2.0f)).item<float>() == losses[std::size_t(i)]);
        Tensor g = get("gradients")[i] * optimizer.dynamic_scale();
        if (i == 3 || i == 8 || i == 9)
          g = tensor_scatter_update(g, tensor({{1, 0}}), full({1}, i == 3 ? INFINITY : NAN, DType::f32));
        graph ? traced(g) : apply(g);
        CHECK(distance(v, get("after")[i]) < 1e-5);
        CHECK(optimizer.dynamic_scale().value().item<float>() == scales[std::size_t(i)]);
        CHECK(optimizer.iterations().value().item<std::int64_t>() == iterations[std::size_t(i)]);
      }
      CHECK(optimizer.learning_rate() == doctest::Approx(0.1));
      optimizer.set_learning_rate(0.5);
      CHECK(inner.learning_rate() == 0.5);
      optimizer.reset();
      CHECK(optimizer.dynamic_scale().value().item<float>() == o.initial_scale);
      CHECK(inner.iterations().value().item<std::int64_t>() == 0);
    }
  }
}

TEST_CASE("policies: of the process, of a scope, of a layer") {
  CHECK(std::string(nn::dtype_policy().name()) == "float32");
  const Tensor x = ones({2, 3});
  CHECK(nn::Dense(2)(x).dtype() == DType::f32);
  {
    nn::DTypePolicyScope scope("mixed_bfloat16");
    nn::Dense inside(2);
    CHECK(inside(x).dtype() == DType::bf16);
    CHECK(inside(x.astype(DType::f64)).dtype() == DType::bf16);
    CHECK(inside.kernel().dtype() == DType::f32);
    CHECK(inside.kernel().value().dtype() == DType::f32);  // read outside of the layer
    nn::DTypePolicyScope inner("float32");
    CHECK(nn::ReLU()(x.astype(DType::f16)).dtype() == DType::f32);
  }
  CHECK(nn::ReLU()(x.astype(DType::f16)).dtype() == DType::f16);  // nobody said anything
  nn::set_dtype_policy("mixed_float16");
  nn::Dense half(2);
  CHECK(std::string(nn::dtype_policy().name()) == "mixed_float16");
  nn::set_dtype_policy("float32");
  CHECK(half(x).dtype() == DType::f16);
  half.set_dtype_policy("float32");
  CHECK(half(x).dtype() == DType::f32);
  golden::check_error<UsageError>(
      [] { nn::set_dtype_policy("mixed_f16"); },
      "dtype policy: there is no 'mixed_f16'. There are: float32, mixed_bfloat16, mixed_float16.");
}

TEST_CASE("layers of a mixed policy: each computes in halves, forward and backward") {
  nn::DTypePolicyScope scope("mixed_float16");
  const Tensor sequence = random::normal({2, 5, 4}, {.seed = 1}), image = random::normal({2, 6, 6, 3}, {.seed = 2});
  auto check = [](const AnyLayer& layer, const std::vector<Tensor>& xs) {
    INFO(layer->type());
    GradientTape tape;
    const Tensor y = xs.size() == 1 ? (*layer)(xs[0], {.training = true}) : (*layer)(xs, {.training = true});
    CHECK(y.dtype() == DType::f16);
    for (float v : y.astype(DType::f32).to_vector<float>()) CHECK(std::isfinite(v));
    const std::vector<Variable> weights = layer->trainable_variables();
    if (weights.empty()) return;
    for (auto& g : tape.gradient(sum(y.astype(DType::f32)), weights)) CHECK(g.dtype() == DType::f32);
  };
  for (const AnyLayer& layer : {AnyLayer(nn::SimpleRNN(3, {.dropout = 0.2, .recurrent_dropout = 0.2})),
                                AnyLayer(nn::LSTM(3)),
                                AnyLayer(nn::GRU(3, {.reset_after = false, .stateful = true})),
                                AnyLayer(nn::MultiHeadAttention(2, 3)),
                                AnyLayer(nn::MultiHeadAttention(2, 3, {.use_causal_mask = true})),
                                AnyLayer(nn::Attention({.use_scale = true})),
                                AnyLayer(nn::AdditiveAttention()),
                                AnyLayer(nn::LayerNormalization()),
                                AnyLayer(nn::RMSNormalization()),
                                AnyLayer(nn::GroupNormalization({.groups = 2})),
                                AnyLayer(nn::BatchNormalization()),
                                AnyLayer(nn::PReLU()),
                                AnyLayer(nn::TimeDistributed(nn::Dense(3))),
                                AnyLayer(nn::EinsumDense("abc,cd->abd", {-1, 3}, {.bias_axes = "d"})),
                                AnyLayer(nn::SpectralNormalization(nn::Dense(3))),
                                AnyLayer(nn::Conv1D(3, 2)),
                                AnyLayer(nn::Dropout(0.3)),
                                AnyLayer(nn::GaussianNoise(0.3)),
                                AnyLayer(nn::AlphaDropout(0.3)),
                                AnyLayer(nn::UnitNormalization()),
                                AnyLayer(nn::SeparableConv1D(3, 2)),
                                AnyLayer(nn::GlobalAveragePooling1D()),
                                AnyLayer(nn::Softmax())})
    check(layer, {sequence});
  check(nn::Attention(), {sequence, sequence});
  check(nn::Attention({.use_causal_mask = true}), {sequence, sequence});
  check(nn::Add(), {sequence, sequence.astype(DType::f16)});
  check(nn::Concatenate(), {sequence, sequence.astype(DType::f64)});
  check(nn::Conv2DTranspose(2, 3), {image});
  check(nn::DepthwiseConv2D(3), {image});
  check(nn::UpSampling2D(2), {image});
}

TEST_CASE("fit in mixed_float16: the optimizer is wrapped, gradients too small for f16 arrive, traced and eager") {
  const Tensor x = random::normal({64, 4}, {.seed = 1}), y = sum(x, {.axis = 1, .keepdims = true});
  auto train = [&](const char* policy, bool eagerly) {
    nn::DTypePolicyScope scope(policy);
    nn::Sequential model{nn::Dense(16, {.activation = "tanh", .seed = 1}), nn::BatchNormalization(),
                         nn::Dense(1, {.seed = 2})};
    const optim::Adam adam({.learning_rate = 0.01});
    const bool half = std::string(policy) == "mixed_float16";
    // A scale at which no step of this training overflows, or the first steps would be skipped.
    const optim::Optimizer scaled =
        half ? optim::LossScaleOptimizer(adam, {.initial_scale = 64}) : optim::Optimizer(adam);
    model.compile({.optimizer = scaled, .loss = "mse", .metrics = {"mae"}, .run_eagerly = eagerly});
    CHECK(model.optimizer().scales_loss() == half);
    nn::History h = model.fit(x, y, {.epochs = 8, .batch_size = 16, .shuffle_seed = 1, .verbose = 0});
    CHECK(model.predict(x).dtype() == nn::DTypePolicy(policy).compute_dtype());
    CHECK(model.optimizer().iterations().value().item<std::int64_t>() == 32);
    return h["loss"];
  };
  const std::vector<double> plain = train("float32", false);
  for (const char* policy : {"mixed_float16", "mixed_bfloat16"})
    for (bool eagerly : {false, true}) {
      INFO(policy);
      const std::vector<double> mixed = train(policy, eagerly);
      for (std::size_t i = 0; i < plain.size(); ++i) CHECK(mixed[i] == doctest::Approx(plain[i]).epsilon(0.05));
    }

  // Without the scale, a loss of 1e-6 has gradients of 0 in f16.
  auto moved = [&](bool scaled) {
    nn::DTypePolicyScope scope("mixed_float16");
    nn::Sequential model{nn::Dense(2, {.seed = 1}), nn::Dense(1, {.seed = 2})};
    model.compile({.optimizer = optim::SGD({.learning_rate = 1e4}),
                   .loss = [](const Tensor& t, const Tensor& p) { return mean(square(t - p)) * 1e-8; },
                   .auto_scale_loss = scaled});
    CHECK(model.optimizer().scales_loss() == scaled);
    model.build({4});
    const Tensor before = model.variables()[0].value();
    model.fit(x, y, {.batch_size = 64, .verbose = 0});
    return distance(model.variables()[0], before) > 0;
  };
  CHECK(moved(true));
  CHECK_FALSE(moved(false));
}

TEST_CASE("a model of a mixed policy is saved and goes on") {
  const Tensor x = random::normal({32, 4}, {.seed = 1}), y = sum(x, {.axis = 1, .keepdims = true});
  nn::DTypePolicyScope scope("mixed_float16");
  auto make = [&] {
    nn::Sequential model{nn::Dense(8, {.seed = 1}), nn::Dense(1, {.seed = 2})};
    model.compile({.optimizer = "adam", .loss = "mse"});
    model.build({4});
    return model;
  };
  const nn::FitOptions once{.batch_size = 8, .shuffle_seed = 1, .verbose = 0};
  nn::Sequential a = make(), b = make();
  a.fit(x, y, once);
  files::TempFolder folder;
  a.save(folder / "m.safetensors");
  b.load(folder / "m.safetensors");
  CHECK(a.fit(x, y, once)["loss"] == b.fit(x, y, once)["loss"]);
  CHECK(distance(a.variables()[0], b.variables()[0]) == 0);
}

TEST_CASE("a policy that changes after a fit is seen by the next one; refusals") {
  const Tensor x = ones({8, 4}), y = ones({8, 1});
  nn::Sequential model{nn::Dense(1)};
  model.compile({.loss = "mse"});
  model.fit(x, y, {.verbose = 0});
  CHECK(model.predict(x).dtype() == DType::f32);
  model.layers()[0]->set_dtype_policy("mixed_bfloat16");
  CHECK(model.predict(x).dtype() == DType::bf16);
  using golden::check_error;
  const optim::LossScaleOptimizer scaled("sgd");
  check_error<UsageError>([&] { optim::LossScaleOptimizer twice(optim::Optimizer{scaled}); },
                          "LossScaleOptimizer: the inner optimizer is one already.");
  check_error<UsageError>([&] { optim::LossScaleOptimizer("sgd", {.initial_scale = 0}); },
                          "LossScaleOptimizer: initial_scale must be positive, got 0.");
  check_error<UsageError>([&] { optim::LossScaleOptimizer("sgd", {.dynamic_growth_steps = 0}); },
                          "LossScaleOptimizer: dynamic_growth_steps must be 1 or more, got 0.");
}
