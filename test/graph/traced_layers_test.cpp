// Every layer traced against eager: values, gradients, moving statistics; built in the trace; for any batch size.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

using namespace tapir;

namespace {

using List = std::vector<Tensor>;

struct LayerCase {
  const char* name;
  nn::AnyLayer (*make)();
  Shape example;         // without the batch
  bool indices = false;  // takes whole numbers below 5
};

const LayerCase cases[] = {
    {"Dense", [] { return nn::AnyLayer(nn::Dense(4, {.activation = "tanh", .seed = 1})); }, {3}},
    {"Dense of rank 3, no bias", [] { return nn::AnyLayer(nn::Dense(4, {.use_bias = false, .seed = 1})); }, {2, 3}},
    {"Embedding", [] { return nn::AnyLayer(nn::Embedding(5, 3, {.seed = 1})); }, {4}, true},
    {"Dropout", [] { return nn::AnyLayer(nn::Dropout(0.5)); }, {6}},
    {"Flatten", [] { return nn::AnyLayer(nn::Flatten()); }, {2, 3}},
    {"Reshape",
     [] {
       return nn::AnyLayer(nn::Reshape({-1, 2}));
     },
     {2, 3}},
    {"Permute",
     [] {
       return nn::AnyLayer(nn::Permute({2, 1}));
     },
     {2, 3}},
    {"Rescaling", [] { return nn::AnyLayer(nn::Rescaling(0.5, {.offset = -1})); }, {3}},
    {"Conv1D, causal",
     [] { return nn::AnyLayer(nn::Conv1D(3, 2, {.padding = "causal", .dilation_rate = 2, .seed = 1})); },
     {5, 2}},
    {"Conv2D", [] { return nn::AnyLayer(nn::Conv2D(4, 3, {.activation = "relu", .seed = 1})); }, {5, 6, 2}},
    {"Conv2D, strides",
     [] {
       return nn::AnyLayer(nn::Conv2D(4, {3, 2}, {.strides = {2, 1}, .padding = "same", .seed = 1}));
     },
     {5, 6, 2}},
    {"Conv2D, groups",
     [] { return nn::AnyLayer(nn::Conv2D(4, 2, {.groups = 2, .use_bias = false, .seed = 1})); },
     {5, 6, 2}},
    {"Conv2D, channels first",
     [] { return nn::AnyLayer(nn::Conv2D(4, 3, {.data_format = DataFormat::channels_first, .seed = 1})); },
     {2, 5, 6}},
    {"Conv3D", [] { return nn::AnyLayer(nn::Conv3D(2, 2, {.seed = 1})); }, {3, 4, 3, 2}},
    {"Conv2DTranspose",
     [] { return nn::AnyLayer(nn::Conv2DTranspose(3, 3, {.strides = 2, .padding = "same", .seed = 1})); },
     {3, 4, 2}},
    {"DepthwiseConv2D",
     [] { return nn::AnyLayer(nn::DepthwiseConv2D(3, {.depth_multiplier = 2, .seed = 1})); },
     {5, 5, 2}},
    {"SeparableConv2D", [] { return nn::AnyLayer(nn::SeparableConv2D(4, 3, {.seed = 1})); }, {5, 5, 2}},
    {"ZeroPadding2D",
     [] {
       return nn::AnyLayer(nn::ZeroPadding2D({{1, 0}, {2, 1}}));
     },
     {2, 3, 2}},
    {"UpSampling2D",
     [] {
       return nn::AnyLayer(nn::UpSampling2D({2, 3}));
     },
     {2, 3, 2}},
    {"UpSampling2D, bilinear",
     [] { return nn::AnyLayer(nn::UpSampling2D(2, {.interpolation = "bilinear"})); },
     {2, 3, 2}},
    {"BatchNormalization", [] { return nn::AnyLayer(nn::BatchNormalization()); }, {3, 2}},
    {"BatchNormalization, axis 1",
     [] { return nn::AnyLayer(nn::BatchNormalization({.axis = 1, .momentum = 0.5})); },
     {3, 2}},
    {"LayerNormalization", [] { return nn::AnyLayer(nn::LayerNormalization()); }, {3, 4}},
    {"MaxPooling1D", [] { return nn::AnyLayer(nn::MaxPooling1D()); }, {5, 2}},
    {"MaxPooling2D", [] { return nn::AnyLayer(nn::MaxPooling2D(2, {.strides = 1, .padding = "same"})); }, {4, 5, 2}},
    {"MaxPooling3D", [] { return nn::AnyLayer(nn::MaxPooling3D()); }, {4, 4, 4, 1}},
    {"AveragePooling1D", [] { return nn::AnyLayer(nn::AveragePooling1D()); }, {5, 2}},
    {"AveragePooling2D", [] { return nn::AnyLayer(nn::AveragePooling2D(2, {.padding = "same"})); }, {5, 5, 2}},
    {"AveragePooling3D", [] { return nn::AnyLayer(nn::AveragePooling3D()); }, {4, 4, 4, 1}},
    {"GlobalMaxPooling1D", [] { return nn::AnyLayer(nn::GlobalMaxPooling1D()); }, {5, 2}},
    {"GlobalMaxPooling2D", [] { return nn::AnyLayer(nn::GlobalMaxPooling2D({.keepdims = true})); }, {3, 4, 2}},
    {"GlobalMaxPooling3D", [] { return nn::AnyLayer(nn::GlobalMaxPooling3D()); }, {2, 3, 2, 2}},
    {"GlobalAveragePooling1D", [] { return nn::AnyLayer(nn::GlobalAveragePooling1D()); }, {5, 2}},
    {"GlobalAveragePooling2D", [] { return nn::AnyLayer(nn::GlobalAveragePooling2D()); }, {3, 4, 2}},
    {"GlobalAveragePooling3D", [] { return nn::AnyLayer(nn::GlobalAveragePooling3D()); }, {2, 3, 2, 2}},
    {"Activation", [] { return nn::AnyLayer(nn::Activation("gelu")); }, {4}},
    {"ReLU", [] { return nn::AnyLayer(nn::ReLU({.max_value = 1, .negative_slope = 0.1, .threshold = 0.2})); }, {4}},
    {"LeakyReLU", [] { return nn::AnyLayer(nn::LeakyReLU()); }, {4}},
    {"ELU", [] { return nn::AnyLayer(nn::ELU()); }, {4}},
    {"PReLU", [] { return nn::AnyLayer(nn::PReLU({.alpha_initializer = "ones"})); }, {2, 3}},
    {"Softmax", [] { return nn::AnyLayer(nn::Softmax()); }, {4}},
    {"Sequential",
     [] {
       return nn::AnyLayer(nn::Sequential{nn::Conv2D(4, 3, {.padding = "same", .use_bias = false, .seed = 1}),
                                          nn::BatchNormalization(), nn::ReLU(), nn::MaxPooling2D(), nn::Flatten(),
                                          nn::Dropout(0.3), nn::Dense(3, {.seed = 2})});
     },
     {6, 6, 2}},
};

Tensor input(const LayerCase& c, std::int64_t batch) {
  const Shape s = Shape{batch}.concat(c.example);
  return c.indices ? random::integers(s, 0, 5, {.seed = batch}) : random::normal(s, {.seed = batch});
}

// Variables at their first values, and the draws from the start.
struct Start {
  std::vector<Variable> variables;
  List values;
  explicit Start(nn::Layer& layer) : variables(layer.variables()) {
    for (auto& v : variables) values.push_back(v.value());
  }
  void again() const {
    for (std::size_t i = 0; i < variables.size(); ++i) Variable(variables[i]).assign(values[i]);
    random::set_seed(7);
  }
};

// Of the sum of squares: with respect to x, if it is floating, and the weights.
template <class F>
List with_gradients(const F& f, const Tensor& x, const std::vector<Variable>& weights) {
  std::vector<GradientSource> sources(weights.begin(), weights.end());
  GradientTape tape;
  if (is_floating(x.dtype())) tape.watch(x), sources.emplace_back(x);
  Tensor y = f(x);
  List out = tape.gradient(sum(square(y)), std::span<const GradientSource>(sources),
                           {.unconnected = UnconnectedGradients::zero});
  out.push_back(y);
  return out;
}

// The layers compute in f32; a graph may add up in another order.
bool same(const List& a, const List& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i].shape() == b[i].shape()) || a[i].dtype() != b[i].dtype()) return false;
    const double scale = b[i].size() ? max(abs(b[i])).item<double>() : 0;
    if (!allclose(a[i], b[i], {.rtol = 0, .atol = 1e-5 * std::max(scale, 1.0)})) return false;
  }
  return true;
}

List values_of(const std::vector<Variable>& variables) {
  List out;
  for (auto& v : variables) out.push_back(v.value());
  return out;
}

}  // namespace

TEST_CASE("every layer: values, gradients and what it assigns") {
  for (auto& c : cases)
    for (bool training : {false, true}) {
      CAPTURE(c.name);
      CAPTURE(training);
      nn::AnyLayer layer = c.make();
      layer->build(c.example);
      const Start start(*layer);
      const std::vector<Variable> weights = layer->trainable_variables();
      auto body = [&](const Tensor& x) { return (*layer)(x, {.training = training}); };
      auto traced = function(body);
      auto whole = function([&](const Tensor& x) { return with_gradients(body, x, weights); });
      const Tensor x = input(c, 3);
      start.again();
      const List expected = with_gradients(body, x, weights), after = values_of(start.variables);
      start.again();
      CHECK_MESSAGE(same(with_gradients(traced, x, weights), expected), "a tape around the call");
      CHECK_MESSAGE(same(values_of(start.variables), after), "variables after the call");
      start.again();
      CHECK_MESSAGE(same(whole(x), expected), "a tape inside the trace");
      CHECK_MESSAGE(same(values_of(start.variables), after), "variables after the trace with a tape");
      CHECK(traced.trace_count() == 1);
    }
}

TEST_CASE("every layer: one trace for any batch size") {
  for (auto& c : cases)
    for (bool training : {false, true}) {
      CAPTURE(c.name);
      CAPTURE(training);
      nn::AnyLayer layer = c.make();
      layer->build(c.example);
      const Start start(*layer);
      const std::vector<Variable> weights = layer->trainable_variables();
      auto body = [&](const Tensor& x) { return (*layer)(x, {.training = training}); };
      const TensorSpec spec(Shape{unknown}.concat(c.example), c.indices ? DType::i64 : DType::f32);
      auto whole = function([&](const Tensor& x) { return with_gradients(body, x, weights); }, {.signature = {spec}});
      for (std::int64_t batch : {3, 1, 6}) {
        const Tensor x = input(c, batch);
        start.again();
        const List expected = with_gradients(body, x, weights), after = values_of(start.variables);
        start.again();
        CHECK_MESSAGE(same(whole(x), expected), batch, " examples");
        CHECK_MESSAGE(same(values_of(start.variables), after), "variables after ", batch, " examples");
      }
      CHECK_MESSAGE(whole.trace_count() == 1, whole.explain());
    }
}

TEST_CASE("every layer: built by the first trace") {
  for (auto& c : cases) {
    CAPTURE(c.name);
    nn::AnyLayer layer = c.make(), twin = c.make();
    auto traced = function([&](const Tensor& x) { return (*layer)(x); });
    const Tensor x = input(c, 2);
    random::set_seed(9);
    const Tensor y = traced(x);
    random::set_seed(9);
    CHECK(same({y}, {(*twin)(x)}));
    CHECK(layer->variables().size() == twin->variables().size());
    CHECK(same({traced(x)}, {(*layer)(x)}));
  }
}
