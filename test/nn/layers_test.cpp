// Layers beside real Keras: every case of test/golden/layers.json, in its order, which makes the names.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::distance;
using nlohmann::json;

namespace {

// The options of a case; whoever makes the layer must take them all.
struct CaseAttrs {
  json left;
  json take(const char* key) {
    json v = left.at(key);
    left.erase(key);
    return v;
  }
  std::int64_t integer(const char* key) { return take(key); }
  double number(const char* key) { return take(key); }
  bool flag(const char* key) { return take(key); }
  std::string text(const char* key) { return take(key); }
  Shape shape(const char* key) { return Shape(take(key).get<std::vector<std::int64_t>>()); }
  // "GlorotUniform" -> "glorot_uniform"
  nn::Initializer initializer(const char* key) {
    std::string out;
    for (char c : text(key))
      out += std::isupper(c) && !out.empty() ? std::string("_") + char(std::tolower(c))
                                             : std::string(1, char(std::tolower(c)));
    return out;
  }
  DataFormat format() {
    return text("data_format") == "channels_first" ? DataFormat::channels_first : DataFormat::channels_last;
  }
  nn::LayerPadding padding() { return text("padding").c_str(); }
};

template <class L>
nn::AnyLayer conv(CaseAttrs& a) {
  const nn::ConvLayerOptions o{.strides = a.shape("strides"),
                               .padding = a.padding(),
                               .dilation_rate = a.shape("dilation_rate"),
                               .groups = a.integer("groups"),
                               .data_format = a.format(),
                               .activation = a.text("activation"),
                               .use_bias = a.flag("use_bias"),
                               .kernel_initializer = a.initializer("kernel_initializer"),
                               .bias_initializer = a.initializer("bias_initializer")};
  return L(a.integer("filters"), a.shape("kernel_size"), o);
}

nn::AnyLayer make_convolution(const std::string& op, CaseAttrs& a) {
  if (op == "Conv1D") return conv<nn::Conv1D>(a);
  if (op == "Conv2D") return conv<nn::Conv2D>(a);
  if (op == "Conv3D") return conv<nn::Conv3D>(a);
  if (op == "Conv2DTranspose") {
    const nn::ConvTransposeLayerOptions o{.strides = a.shape("strides"),
                                          .padding = a.padding(),
                                          .dilation_rate = a.shape("dilation_rate"),
                                          .data_format = a.format(),
                                          .activation = a.text("activation"),
                                          .use_bias = a.flag("use_bias"),
                                          .kernel_initializer = a.initializer("kernel_initializer"),
                                          .bias_initializer = a.initializer("bias_initializer")};
    return nn::Conv2DTranspose(a.integer("filters"), a.shape("kernel_size"), o);
  }
  if (op == "DepthwiseConv2D") {
    const nn::DepthwiseConv2DOptions o{.strides = a.shape("strides"),
                                       .padding = a.padding(),
                                       .depth_multiplier = a.integer("depth_multiplier"),
                                       .dilation_rate = a.shape("dilation_rate"),
                                       .data_format = a.format(),
                                       .activation = a.text("activation"),
                                       .use_bias = a.flag("use_bias"),
                                       .depthwise_initializer = a.initializer("depthwise_initializer"),
                                       .bias_initializer = a.initializer("bias_initializer")};
    return nn::DepthwiseConv2D(a.shape("kernel_size"), o);
  }
  REQUIRE_MESSAGE(op == "SeparableConv2D", "no layer for " << op);
  const nn::SeparableConv2DOptions o{.strides = a.shape("strides"),
                                     .padding = a.padding(),
                                     .dilation_rate = a.shape("dilation_rate"),
                                     .depth_multiplier = a.integer("depth_multiplier"),
                                     .data_format = a.format(),
                                     .activation = a.text("activation"),
                                     .use_bias = a.flag("use_bias"),
                                     .depthwise_initializer = a.initializer("depthwise_initializer"),
                                     .pointwise_initializer = a.initializer("pointwise_initializer"),
                                     .bias_initializer = a.initializer("bias_initializer")};
  return nn::SeparableConv2D(a.integer("filters"), a.shape("kernel_size"), o);
}

nn::AnyLayer make(const std::string& op, CaseAttrs& a) {
  if (op == "Dense")
    return nn::Dense(a.integer("units"), {.activation = a.text("activation"),
                                          .use_bias = a.flag("use_bias"),
                                          .kernel_initializer = a.initializer("kernel_initializer"),
                                          .bias_initializer = a.initializer("bias_initializer")});
  if (op == "Embedding") {
    CHECK_FALSE(a.flag("mask_zero"));
    const std::int64_t rows = a.integer("input_dim"), columns = a.integer("output_dim");
    return nn::Embedding(rows, columns, {.embeddings_initializer = a.initializer("embeddings_initializer")});
  }
  if (op == "UpSampling2D")
    return nn::UpSampling2D(a.shape("size"), {.interpolation = a.text("interpolation"), .data_format = a.format()});
  if (op == "ZeroPadding2D") {
    const auto p = a.take("padding").get<std::vector<std::vector<std::int64_t>>>();
    return nn::ZeroPadding2D({{p[0][0], p[0][1]}, {p[1][0], p[1][1]}}, {.data_format = a.format()});
  }
  if (op == "BatchNormalization") {
    CHECK_FALSE(a.flag("synchronized"));
    CHECK_FALSE(a.flag("renorm"));
    a.take("renorm_momentum");
    return nn::BatchNormalization({.axis = int(a.integer("axis")),
                                   .momentum = a.number("momentum"),
                                   .epsilon = a.number("epsilon"),
                                   .center = a.flag("center"),
                                   .scale = a.flag("scale"),
                                   .beta_initializer = a.initializer("beta_initializer"),
                                   .gamma_initializer = a.initializer("gamma_initializer"),
                                   .moving_mean_initializer = a.initializer("moving_mean_initializer"),
                                   .moving_variance_initializer = a.initializer("moving_variance_initializer")});
  }
  if (op == "LayerNormalization") {
    CHECK_FALSE(a.flag("rms_scaling"));
    Axes axes;
    for (auto d : a.shape("axis")) axes.push_back(d);
    return nn::LayerNormalization({.axis = axes,
                                   .epsilon = a.number("epsilon"),
                                   .center = a.flag("center"),
                                   .scale = a.flag("scale"),
                                   .beta_initializer = a.initializer("beta_initializer"),
                                   .gamma_initializer = a.initializer("gamma_initializer")});
  }
  if (op == "Permute") return nn::Permute(a.shape("dims"));
  if (op == "Reshape") return nn::Reshape(a.shape("target_shape"));
  if (op == "Rescaling") return nn::Rescaling(a.number("scale"), {.offset = a.number("offset")});
  if (op == "ReLU")
    return nn::ReLU({.max_value = a.number("max_value"),
                     .negative_slope = a.number("negative_slope"),
                     .threshold = a.number("threshold")});
  if (op == "LeakyReLU") return nn::LeakyReLU({.negative_slope = a.number("negative_slope")});
  if (op == "Softmax") return nn::Softmax({.axis = int(a.integer("axis"))});
  return make_convolution(op, a);
}

nn::AnyLayer make(const json& c) {
  CaseAttrs attrs{c["attrs"]};
  nn::AnyLayer layer = make(c["op"].get<std::string>(), attrs);
  CHECK_MESSAGE(attrs.left.empty(), "not used: " << attrs.left.dump());
  return layer;
}

// Summaries are in summary_test.cpp, whole training steps in model_test.cpp.
bool elsewhere(const json& c) { return c["op"] == "summary" || c["op"] == "fit"; }

const golden::Family& family() {
  static const golden::Family f("layers");
  return f;
}

// A layer with the weights of the case.
nn::AnyLayer loaded(const json& c, const Tensor& x) {
  nn::AnyLayer layer = make(c);
  layer->build(x.shape().last(x.rank() - 1));
  for (auto& v : layer->variables()) v.assign(family().get(c["name"], v.name().substr(v.name().rfind('/') + 1)));
  return layer;
}

}  // namespace

TEST_CASE("weights, names, shapes, values and gradients are those of Keras") {
  nn::reset_names();
  int elsewhere_tested = 0;
  for (auto& c : family().cases) {
    const std::string name = c["name"];
    INFO(name);
    auto get = [&](const std::string& field) { return family().get(name, field); };
    if (elsewhere(c)) {
      ++elsewhere_tested;
      continue;
    }
    const Tensor x = get("x");
    nn::AnyLayer layer = make(c);
    CHECK(!layer->built());
    CHECK(layer->variables().empty());
    layer->build(x.shape().last(x.rank() - 1));
    CHECK(layer->built());
    CHECK(layer->name() == c["layer_name"]);
    CHECK(layer->type() == c["op"]);
    CHECK(layer->count_params() == c["count_params"]);
    Shape out;
    for (std::size_t i = 1; i < c["compute_output_shape"].size(); ++i) out.push_back(c["compute_output_shape"][i]);
    CHECK(layer->compute_output_shape(x.shape().last(x.rank() - 1)) == out);

    auto variables = layer->variables();
    REQUIRE(variables.size() == c["weights"].size());
    for (std::size_t i = 0; i < variables.size(); ++i) {
      const json& w = c["weights"][i];
      const std::string weight = w["name"];
      CHECK(variables[i].name() == layer->name() + "/" + weight);
      CHECK(variables[i].shape() == Shape(w["shape"].get<std::vector<std::int64_t>>()));
      CHECK(variables[i].trainable() == w["trainable"].get<bool>());
      variables[i].assign(get(weight));
    }

    GradientTape tape;
    const bool floating = is_floating(x.dtype());
    if (floating) tape.watch(x);
    const Tensor y = (*layer)(x);
    auto trained = layer->trainable_variables();
    std::vector<GradientSource> sources(trained.begin(), trained.end());
    if (floating) sources.emplace_back(x);
    CHECK(y.shape() == Shape({x.shape()[0]}).concat(out));
    CHECK(y.dtype() == DType::f32);
    CHECK(distance(y, get("y")) < 5e-6);
    auto gradients = tape.gradient(y, sources, {.output_gradients = get("dy")});
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const std::string of = i < trained.size() ? trained[i].name().substr(trained[i].name().rfind('/') + 1) : "x";
      INFO(of);
      REQUIRE(gradients[i].defined());
      CHECK(distance(gradients[i], get("d" + of)) < 5e-6);
    }
  }
  CHECK(elsewhere_tested == 6);
}

TEST_CASE("no examples in, none out; no gradient but zero") {
  for (auto& c : family().cases) {
    if (elsewhere(c)) continue;
    INFO(c["name"]);
    const Tensor x = family().get(c["name"], "x"), y = family().get(c["name"], "y");
    nn::AnyLayer layer = loaded(c, x);
    GradientTape tape;
    const Tensor none = (*layer)(x[Slice(0, 0)]);
    CHECK(none.shape() == Shape({0}).concat(y.shape().last(y.rank() - 1)));
    auto trained = layer->trainable_variables();
    if (trained.empty()) continue;
    auto gradients = tape.gradient(none, trained, {.unconnected = UnconnectedGradients::zero});
    for (std::size_t i = 0; i < trained.size(); ++i) CHECK(distance(gradients[i], zeros(trained[i].shape())) == 0);
  }
}

TEST_CASE("f64 and f16 inputs") {
  for (auto& c : family().cases) {
    if (elsewhere(c) || c["op"] == "Embedding") continue;
    INFO(c["name"]);
    const Tensor x = family().get(c["name"], "x"), y = family().get(c["name"], "y");
    nn::AnyLayer layer = loaded(c, x);
    const Tensor wide = (*layer)(x.astype(DType::f64)), half = (*layer)(x.astype(DType::f16));
    CHECK(wide.dtype() == (layer->variables().empty() ? DType::f64 : DType::f32));
    CHECK(distance(wide, y) < 5e-6);
    CHECK(half.dtype() == (layer->variables().empty() ? DType::f16 : DType::f32));
    CHECK(distance(half, y) < 5e-3);  // the input is rounded to 11 bits
  }
}

TEST_CASE("a traced call gives what an eager one does") {
  for (auto& c : family().cases) {
    if (elsewhere(c)) continue;
    INFO(c["name"]);
    const Tensor x = family().get(c["name"], "x");
    nn::AnyLayer layer = loaded(c, x);
    auto traced = function([&](const Tensor& t) { return (*layer)(t); });
    CHECK(distance(traced(x), (*layer)(x)) < 1e-6);
    nn::AnyLayer fresh = make(c);  // the trace makes its weights
    auto first = function([&](const Tensor& t) { return (*fresh)(t); });
    const Tensor y = first(x);
    CHECK(fresh->variables().size() == c["weights"].size());
    CHECK(distance(y, (*fresh)(x)) < 1e-6);
  }
}

TEST_CASE("a copy shares weights, name and state; loading one layer's weights into it changes both") {
  for (auto& c : family().cases) {
    if (elsewhere(c) || c["op"] != "Dense") continue;
    INFO(c["name"]);
    const Tensor x = family().get(c["name"], "x");
    nn::AnyLayer layer = loaded(c, x);
    nn::Dense copy = static_cast<nn::Dense&>(*layer);
    CHECK(copy.name() == layer->name());
    CHECK(copy.built());
    CHECK(copy.kernel() == layer->variables()[0]);
    copy.kernel().assign(zeros(copy.kernel().shape()));
    CHECK(distance((*layer)(x), copy(x)) == 0);
    copy.set_trainable(false);
    CHECK(!layer->trainable());
  }
}
