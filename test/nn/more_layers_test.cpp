// Layers beside real Keras: every case of test/golden/more_layers.json, eager and traced. The table says which layer a
// case is, as make_more_layers.py says it in Keras.
#include <tapir/test/ops/golden.h>

#include <algorithm>
#include <functional>
#include <map>

using namespace tapir;
using golden::distance;
using nlohmann::json;

namespace {

const golden::Family& family() {
  static const golden::Family f("more_layers");
  return f;
}

using Make = std::function<nn::AnyLayer()>;

template <class L>
void recurrent(std::map<std::string, Make>& t, const std::string& name) {
  t[name] = [] { return L(4); };
  t[name + "_sequences_states"] = [] { return L(4, {.return_sequences = true, .return_state = true}); };
  t[name + "_backwards"] = [] { return L(3, {.use_bias = false, .return_sequences = true, .go_backwards = true}); };
  t[name + "_initial_state"] = [] { return L(3, {.activation = "relu"}); };
  t[name + "_long"] = [] { return L(3, {.return_sequences = true}); };
}

std::map<std::string, Make> table() {
  std::map<std::string, Make> t{
      {"add", [] { return nn::Add(); }},
      {"subtract", [] { return nn::Subtract(); }},
      {"multiply", [] { return nn::Multiply(); }},
      {"average", [] { return nn::Average(); }},
      {"maximum", [] { return nn::Maximum(); }},
      {"minimum", [] { return nn::Minimum(); }},
      {"concatenate", [] { return nn::Concatenate(); }},
      {"add_broadcast", [] { return nn::Add(); }},
      {"concatenate_axis1", [] { return nn::Concatenate({.axis = 1}); }},
      {"dot", [] { return nn::Dot(1); }},
      {"dot_matrices", [] { return nn::Dot(2, 1); }},
      {"dot_normalized", [] { return nn::Dot(2, {.normalize = true}); }},
      {"gru_reset_before", [] { return nn::GRU(4, {.reset_after = false, .return_state = true}); }},
      {"lstm_no_forget_bias",
       [] { return nn::LSTM(3, {.recurrent_activation = "hard_sigmoid", .unit_forget_bias = false}); }},
      {"simple_rnn_cell", [] { return nn::SimpleRNNCell(4); }},
      {"lstm_cell", [] { return nn::LSTMCell(4); }},
      {"gru_cell", [] { return nn::GRUCell(4); }},
      {"bidirectional", [] { return nn::Bidirectional(nn::LSTM(3, {.return_sequences = true})); }},
      {"bidirectional_last", [] { return nn::Bidirectional(nn::GRU(3)); }},
      {"bidirectional_sum",
       [] { return nn::Bidirectional(nn::SimpleRNN(3, {.return_state = true}), {.merge_mode = "sum"}); }},
      {"time_distributed", [] { return nn::TimeDistributed(nn::Dense(4, {.activation = "relu"})); }},
      {"stacked_rnn",
       [] {
         return nn::RNN(nn::StackedRNNCells({nn::LSTMCell(4), nn::GRUCell(3)}), {.return_sequences = true});
       }},
      {"mha_self", [] { return nn::MultiHeadAttention(2, 3); }},
      {"mha_causal", [] { return nn::MultiHeadAttention(2, 3, {.value_dim = 4, .use_causal_mask = true}); }},
      {"mha_cross", [] { return nn::MultiHeadAttention(3, 2, {.use_bias = false, .output_shape = 7}); }},
      {"mha_key_scores", [] { return nn::MultiHeadAttention(2, 3, {.return_attention_scores = true}); }},
      {"mha_mask", [] { return nn::MultiHeadAttention(2, 3); }},
      {"attention", [] { return nn::Attention(); }},
      {"attention_scale_causal", [] { return nn::Attention({.use_scale = true, .use_causal_mask = true}); }},
      {"additive_attention", [] { return nn::AdditiveAttention(); }},
      {"einsum_dense",
       [] {
         return nn::EinsumDense("abc,cd->abd", {-1, 4}, {.bias_axes = "d"});
       }},
      {"einsum_dense_ellipsis",
       [] { return nn::EinsumDense("...x,xy->...y", {4}, {.activation = "relu", .bias_axes = "y"}); }},
      {"einsum_dense_two",
       [] {
         return nn::EinsumDense("abc,cde->abde", {-1, 2, 3}, {.bias_axes = "de"});
       }},
      {"unit_normalization", [] { return nn::UnitNormalization(); }},
      {"unit_normalization_axes",
       [] {
         return nn::UnitNormalization({.axis = {1, 2}});
       }},
      {"spectral_dense", [] { return nn::SpectralNormalization(nn::Dense(4), {.power_iterations = 2}); }},
      {"spectral_conv", [] { return nn::SpectralNormalization(nn::Conv2D(3, 2)); }},
      {"repeat_vector", [] { return nn::RepeatVector(3); }},
      {"zero_padding1d",
       [] {
         return nn::ZeroPadding1D({1, 2});
       }},
      {"zero_padding3d",
       [] {
         return nn::ZeroPadding3D({{1, 0}, {0, 2}, {1, 1}});
       }},
      {"cropping1d",
       [] {
         return nn::Cropping1D({1, 2});
       }},
      {"cropping2d",
       [] {
         return nn::Cropping2D({{1, 0}, {2, 1}});
       }},
      {"cropping3d", [] { return nn::Cropping3D(1); }},
      {"up_sampling1d", [] { return nn::UpSampling1D(3); }},
      {"up_sampling3d",
       [] {
         return nn::UpSampling3D({1, 2, 3});
       }},
      {"conv1d_transpose",
       [] { return nn::Conv1DTranspose(3, 3, {.strides = 2, .padding = "same", .activation = "tanh"}); }},
      {"conv3d_transpose", [] { return nn::Conv3DTranspose(2, 2, {.strides = 2}); }},
      {"depthwise_conv1d",
       [] { return nn::DepthwiseConv1D(3, {.strides = 2, .padding = "same", .depth_multiplier = 2}); }},
      {"separable_conv1d", [] { return nn::SeparableConv1D(4, 3, {.depth_multiplier = 2, .activation = "relu"}); }},
      {"normalization",
       [] {
         return nn::Normalization({.mean = tensor({1.0f, 2.0f, 3.0f}), .variance = tensor({4.0f, 1.0f, 0.25f})});
       }},
      {"normalization_invert",
       [] { return nn::Normalization({.mean = constant(0.5f), .variance = constant(2.0f), .invert = true}); }},
      {"resizing", [] { return nn::Resizing(3, 5); }},
      {"resizing_nearest", [] { return nn::Resizing(6, 5, {.interpolation = "nearest"}); }},
      {"center_crop", [] { return nn::CenterCrop(3, 4); }},
      {"category_one_hot", [] { return nn::CategoryEncoding(5, {.output_mode = "one_hot"}); }},
      {"category_multi_hot", [] { return nn::CategoryEncoding(5); }},
      {"category_count", [] { return nn::CategoryEncoding(5, {.output_mode = "count"}); }},
      {"discretization",
       [] {
         return nn::Discretization({-1.0, 0.0, 0.5});
       }},
      {"rotation_nearest_pixel",
       [] {
         return nn::RandomRotation({0.13, 0.13}, {.bilinear = false});
       }},
      {"zoom_same",
       [] {
         return nn::RandomZoom({0.25, 0.25});
       }},
      {"brightness",
       [] {
         return nn::RandomBrightness({0.2, 0.2}, {.low = 0, .high = 1});
       }},
  };
  recurrent<nn::SimpleRNN>(t, "simple_rnn");
  recurrent<nn::LSTM>(t, "lstm");
  recurrent<nn::GRU>(t, "gru");
  for (auto [mode, name] : {std::pair(nn::FillMode::reflect, "reflect"), std::pair(nn::FillMode::constant, "constant"),
                            std::pair(nn::FillMode::nearest, "nearest"), std::pair(nn::FillMode::wrap, "wrap")}) {
    t[std::string("rotation_") + name] = [mode] {
      return nn::RandomRotation({0.1, 0.1}, {.fill_mode = mode, .fill_value = 0.5});
    };
    t[std::string("translation_") + name] = [mode] {
      return nn::RandomTranslation({0.21, 0.21}, {-0.3, -0.3}, {.fill_mode = mode});
    };
    t[std::string("zoom_") + name] = [mode] {
      return nn::RandomZoom({0.2, 0.2}, {.fill_mode = mode, .width_factor = nn::Range(-0.3, -0.3)});
    };
  }
  return t;
}

// In these Keras was told that it trains.
bool in_training(const json& c) {
  const std::string op = c["op"];
  return c["training"].get<bool>() || op.starts_with("Random");
}

// The variables in the order of the case: Keras lists those of a wrapper between those of the layer.
std::vector<Variable> in_order(std::vector<Variable> found, const json& wanted) {
  REQUIRE(found.size() == wanted.size());
  auto leaf = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::size_t at = i;
    while (at < found.size() && leaf(found[at].name()) != leaf(wanted[i]["path"])) ++at;
    REQUIRE_MESSAGE(at < found.size(), "no weight " << wanted[i]["path"]);
    std::rotate(found.begin() + std::ptrdiff_t(i), found.begin() + std::ptrdiff_t(at),
                found.begin() + std::ptrdiff_t(at) + 1);
  }
  return found;
}

void check_case(const json& c, const Make& make) {
  const std::string name = c["name"];
  auto get = [&](const std::string& field, std::size_t i) { return family().get(name, field + std::to_string(i)); };
  std::vector<Tensor> xs;
  for (std::size_t i = 0; i < c["inputs"]; ++i) xs.push_back(get("x", i));
  nn::AnyLayer layer = make();
  CHECK(layer->type() == c["op"]);
  layer->outputs(xs, {.training = false});
  auto weights = in_order(layer->variables(), c["weights"]);
  auto start = [&] {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      INFO(c["weights"][i]["path"]);
      CHECK(weights[i].shape() == Shape(c["weights"][i]["shape"].get<std::vector<std::int64_t>>()));
      weights[i].assign(get("w", i));
    }
  };
  auto check_outputs = [&](const std::vector<Tensor>& ys) {
    REQUIRE(ys.size() == c["outputs"]);
    for (std::size_t i = 0; i < ys.size(); ++i) CHECK(distance(ys[i], get("y", i)) < 1e-5);
  };
  auto run = [&](const std::vector<Tensor>& in) { return layer->outputs(in, {.training = in_training(c)}); };

  auto all = [&](const std::vector<Tensor>& in) {
    GradientTape tape;
    std::vector<GradientSource> sources;
    for (auto& x : in)
      if (is_floating(x.dtype())) tape.watch(x), sources.emplace_back(x);
    for (auto& v : weights)
      if (v.trainable()) sources.emplace_back(v);
    auto ys = run(in);
    Tensor total = zeros({});
    for (std::size_t i = 0; i < ys.size(); ++i)
      if (is_floating(ys[i].dtype())) total = total + sum(ys[i] * get("dy", i));
    auto gradients = tape.gradient(total, sources, {.unconnected = UnconnectedGradients::zero});
    return std::pair(ys, gradients);
  };
  const bool differentiable = is_floating(xs[0].dtype()) && is_floating(get("y", 0).dtype()) && c["gradients"];
  auto check_gradients = [&](const std::vector<Tensor>& gradients) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < xs.size(); ++i)
      if (is_floating(xs[i].dtype())) CHECK_MESSAGE(distance(gradients[next++], get("dx", i)) < 1e-5, "dx" << i);
    for (std::size_t i = 0; i < weights.size(); ++i)
      if (c["weights"][i]["trainable"]) CHECK_MESSAGE(distance(gradients[next++], get("dw", i)) < 1e-5, "dw" << i);
    CHECK(next == gradients.size());
  };

  start();
  if (!differentiable) {
    check_outputs(run(xs));
  } else {
    auto [ys, gradients] = all(xs);
    check_outputs(ys);
    check_gradients(gradients);
  }
  for (std::size_t i = 0; c["training"] && i < weights.size(); ++i)
    CHECK_MESSAGE(distance(weights[i].value(), get("after", i)) < 1e-5, "after" << i);

  INFO("traced");
  start();
  if (!differentiable) {
    check_outputs(function(run)(xs));
  } else {
    auto [ys, gradients] = function(all)(xs);
    check_outputs(ys);
    check_gradients(gradients);
  }
}

}  // namespace

TEST_CASE("values and gradients are those of Keras, eager and traced") {
  auto makes = table();
  for (auto& c : family().cases) {
    const std::string name = c["name"];
    INFO(name);
    auto make = makes.find(name);
    REQUIRE_MESSAGE(make != makes.end(), "no layer for " << name);
    check_case(c, make->second);
    makes.erase(make);
  }
  CHECK(makes.empty());
}

TEST_CASE("transformed images have the gradient that differences give") {
  const Tensor x = golden::randn({2, 5, 4, 2});
  for (auto mode : {nn::FillMode::reflect, nn::FillMode::constant, nn::FillMode::nearest, nn::FillMode::wrap}) {
    nn::RandomRotation rotation({0.1, 0.1}, {.fill_mode = mode});
    golden::check_gradient([&](const Tensor& t) { return rotation(t, {.training = true}); }, x, {.order = 1});
  }
  nn::RandomZoom zoom({-0.2, -0.2});
  golden::check_gradient([&](const Tensor& t) { return zoom(t, {.training = true}); }, x, {.order = 1});
}

TEST_CASE("recurrent layers, attention and normalisation have the gradients that differences give") {
  auto check = [](nn::AnyLayer layer, const Shape& shape) {
    const Tensor x = golden::randn(shape);
    (*layer)(x);
    for (auto& v : layer->variables()) v.assign(golden::randn(v.shape(), DType::f32) * 0.5);
    // In f32, as the weights are.
    golden::check_gradient([&](const Tensor& t) { return (*layer)(t.astype(DType::f32)); }, x,
                           {.step = 1e-2, .tolerance = 2e-2});
  };
  check(nn::LSTM(3, {.return_sequences = true}), {2, 4, 2});
  check(nn::GRU(3), {2, 4, 2});
  check(nn::MultiHeadAttention(2, 2), {1, 3, 4});
}
