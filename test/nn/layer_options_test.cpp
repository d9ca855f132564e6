// Layers that test/golden/layers.json has not, and options: defaults, layouts, every activation, pooling, dropout.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::distance;

namespace {

const Tensor image = random::normal({2, 6, 5, 4}, {.seed = 1});  // [N, H, W, C]

Tensor first(const Tensor& x) {  // [N, ..., C] -> [N, C, ...]
  Axes axes{0, x.rank() - 1};
  for (int i = 1; i + 1 < x.rank(); ++i) axes.push_back(i);
  return permute_dims(x, axes);
}

// The same layer in both layouts, with the same seed.
template <class Make>
void check_layouts(Make make, const Tensor& x = image) {
  auto last = make(DataFormat::channels_last);
  auto channels_first = make(DataFormat::channels_first);
  const Tensor y = last(x);
  CHECK(y.size() > 0);
  CHECK(distance(channels_first(first(x)), first(y)) < 1e-5);
  auto a = last.variables(), b = channels_first.variables();
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(a[i].shape() == b[i].shape());
}

}  // namespace

TEST_CASE("channels first is channels last, transposed") {
  const nn::Initializer bias = nn::initializers::random_normal({.stddev = 1});
  check_layouts([&](DataFormat f) { return nn::Conv1D(3, 2, {.data_format = f, .bias_initializer = bias, .seed = 1}); },
                image[0]);
  check_layouts([&](DataFormat f) { return nn::Conv1D(3, 2, {.padding = "causal", .data_format = f, .seed = 1}); },
                image[0]);
  check_layouts([&](DataFormat f) {
    return nn::Conv2D(
        3, {2, 3},
        {.strides = 2, .padding = "same", .groups = 1, .data_format = f, .bias_initializer = bias, .seed = 1});
  });
  check_layouts(
      [&](DataFormat f) { return nn::Conv2D(6, 3, {.groups = 2, .data_format = f, .activation = "gelu", .seed = 1}); });
  check_layouts([&](DataFormat f) { return nn::Conv3D(3, 2, {.data_format = f, .bias_initializer = bias, .seed = 1}); },
                random::normal({2, 3, 4, 3, 2}, {.seed = 2}));
  check_layouts([&](DataFormat f) {
    return nn::Conv2DTranspose(
        3, 3, {.strides = 2, .padding = "same", .data_format = f, .bias_initializer = bias, .seed = 1});
  });
  check_layouts([&](DataFormat f) {
    return nn::DepthwiseConv2D(3, {.depth_multiplier = 2, .data_format = f, .bias_initializer = bias, .seed = 1});
  });
  check_layouts([&](DataFormat f) {
    return nn::SeparableConv2D(3, 3, {.depth_multiplier = 2, .data_format = f, .bias_initializer = bias, .seed = 1});
  });
  check_layouts([](DataFormat f) {
    return nn::MaxPooling2D({2, 3}, {.strides = 1, .padding = "same", .data_format = f});
  });
  check_layouts([](DataFormat f) { return nn::AveragePooling2D(2, {.data_format = f}); });
  check_layouts([](DataFormat f) { return nn::ZeroPadding2D({{1, 2}, {0, 3}}, {.data_format = f}); });
  for (const char* how : {"nearest", "bilinear"})
    check_layouts([&](DataFormat f) { return nn::UpSampling2D({2, 3}, {.interpolation = how, .data_format = f}); });
  for (bool keepdims : {false, true}) {
    const Tensor y = nn::GlobalMaxPooling2D({.keepdims = keepdims})(image);
    const Tensor z =
        nn::GlobalMaxPooling2D({.keepdims = keepdims, .data_format = DataFormat::channels_first})(first(image));
    CHECK(distance(z, keepdims ? first(y) : y) == 0);
  }
}

TEST_CASE("defaults are Keras's") {
  const nn::ConvLayerOptions conv;
  CHECK(conv.strides == Shape({1}));
  CHECK(conv.padding.padding().mode() == Padding::Mode::valid);
  CHECK(conv.groups == 1);
  CHECK(conv.activation.linear());
  CHECK(conv.use_bias);
  CHECK(conv.kernel_initializer.name() == "glorot_uniform");
  CHECK(conv.bias_initializer.name() == "zeros");
  const nn::DenseOptions dense;
  CHECK(dense.activation.linear());
  CHECK(dense.use_bias);
  CHECK(dense.kernel_initializer.name() == "glorot_uniform");
  CHECK(dense.bias_initializer.name() == "zeros");
  CHECK(nn::EmbeddingOptions().embeddings_initializer.name() == "uniform");
  CHECK(nn::LeakyReLUOptions().negative_slope == 0.3);
  CHECK(nn::ELUOptions().alpha == 1);
  CHECK(nn::PReLUOptions().alpha_initializer.name() == "zeros");
  CHECK(nn::SoftmaxOptions().axis == -1);
  CHECK(nn::UpSampling2DOptions().interpolation == "nearest");
  CHECK(nn::UpSampling2D().compute_output_shape({3, 4, 2}) == Shape({6, 8, 2}));
  CHECK(nn::ZeroPadding2D().compute_output_shape({3, 4, 2}) == Shape({5, 6, 2}));
  CHECK(nn::MaxPooling2D().compute_output_shape({5, 7, 2}) == Shape({2, 3, 2}));
  CHECK(nn::AveragePooling3D().compute_output_shape({4, 5, 6, 1}) == Shape({2, 2, 3, 1}));
  CHECK(nn::BatchNormalizationOptions().momentum == 0.99);
  CHECK(nn::BatchNormalizationOptions().epsilon == 1e-3);
  CHECK(nn::LayerNormalizationOptions().epsilon == 1e-3);
}

TEST_CASE("pooling layers are the pooling ops, whose values TensorFlow gave") {
  const Tensor line = image[0], volume = random::normal({2, 4, 5, 6, 3}, {.seed = 3});
  const nn::PoolLayerOptions o{.strides = 1, .padding = "same"};
  const PoolOptions p{.strides = {1}, .padding = Padding::same};
  CHECK(distance(nn::MaxPooling1D()(line), max_pool1d(line, {2})) == 0);
  CHECK(distance(nn::MaxPooling2D({3, 2})(image), max_pool2d(image, {3, 2})) == 0);
  CHECK(distance(nn::MaxPooling3D({2, 3, 2}, o)(volume), max_pool3d(volume, {2, 3, 2}, p)) == 0);
  CHECK(distance(nn::AveragePooling1D(3, o)(line), avg_pool1d(line, {3}, p)) == 0);
  CHECK(distance(nn::AveragePooling2D()(image), avg_pool2d(image, {2})) == 0);
  CHECK(distance(nn::AveragePooling3D()(volume), avg_pool3d(volume, {2})) == 0);
  CHECK(distance(nn::GlobalMaxPooling1D()(line), max(line, {.axis = 1})) == 0);
  CHECK(distance(nn::GlobalMaxPooling2D()(image), max(image, {.axis = {1, 2}})) == 0);
  CHECK(distance(nn::GlobalMaxPooling3D()(volume), max(volume, {.axis = {1, 2, 3}})) == 0);
  CHECK(distance(nn::GlobalAveragePooling1D()(line), mean(line, {.axis = 1})) < 1e-6);
  CHECK(distance(nn::GlobalAveragePooling2D()(image), mean(image, {.axis = {1, 2}})) < 1e-6);
  CHECK(distance(nn::GlobalAveragePooling3D({.keepdims = true})(volume),
                 mean(volume, {.axis = {1, 2, 3}, .keepdims = true})) < 1e-6);
  nn::reset_names();
  CHECK(nn::MaxPooling1D().name() == "max_pooling1d");
  CHECK(nn::AveragePooling3D().name() == "average_pooling3d");
  CHECK(nn::GlobalMaxPooling2D().name() == "global_max_pooling2d");
  CHECK(nn::GlobalAveragePooling1D().name() == "global_average_pooling1d");
}

TEST_CASE("every activation by its name, in a layer and alone") {
  const Tensor x = random::normal({3, 4}, {.seed = 2});
  using Op = Tensor (*)(const Tensor&);
  for (auto [name, op] : std::initializer_list<std::pair<const char*, Op>>{
           {"elu", [](const Tensor& t) { return elu(t); }},
           {"exponential", [](const Tensor& t) { return exp(t); }},
           {"gelu", [](const Tensor& t) { return gelu(t); }},
           {"hard_sigmoid", [](const Tensor& t) { return hard_sigmoid(t); }},
           {"hard_silu", [](const Tensor& t) { return hard_silu(t); }},
           {"leaky_relu", [](const Tensor& t) { return leaky_relu(t, 0.2); }},
           {"linear", [](const Tensor& t) { return t; }},
           {"log_sigmoid", [](const Tensor& t) { return log_sigmoid(t); }},
           {"log_softmax", [](const Tensor& t) { return log_softmax(t); }},
           {"mish", [](const Tensor& t) { return mish(t); }},
           {"relu", [](const Tensor& t) { return relu(t); }},
           {"relu6", [](const Tensor& t) { return relu6(t); }},
           {"selu", [](const Tensor& t) { return selu(t); }},
           {"sigmoid", [](const Tensor& t) { return sigmoid(t); }},
           {"silu", [](const Tensor& t) { return silu(t); }},
           {"softmax", [](const Tensor& t) { return softmax(t); }},
           {"softplus", [](const Tensor& t) { return softplus(t); }},
           {"softsign", [](const Tensor& t) { return softsign(t); }},
           {"swish", [](const Tensor& t) { return silu(t); }},
           {"tanh", [](const Tensor& t) { return tanh(t); }}}) {
    INFO(name);
    CHECK(distance(nn::Activation(name)(x), op(x)) == 0);
    nn::Dense linear(5, {.seed = 4}), active(5, {.activation = name, .seed = 4});
    CHECK(distance(active(x), op(linear(x))) == 0);
    CHECK(nn::ActivationFunction(name).name() == name);
  }
  const nn::Activation own([](const Tensor& t) { return 3 * t; });
  CHECK(distance(nn::Activation(own)(x), 3 * x) == 0);
  CHECK(distance(nn::Dense(2, {.activation = [](const Tensor& t) { return 0 * t; }})(x), zeros({3, 2})) == 0);
}

TEST_CASE("activation layers") {
  const Tensor x = tensor({{-2.0f, -0.5f, 0.0f, 0.5f, 2.0f, 9.0f}});
  CHECK(distance(nn::ReLU()(x), relu(x)) == 0);
  CHECK(distance(nn::ReLU({.max_value = 6})(x), relu6(x)) == 0);
  CHECK(distance(nn::ReLU({.max_value = 0})(x), zeros({1, 6})) == 0);
  CHECK(distance(nn::ReLU({.threshold = 1})(x), tensor({{0.0f, 0.0f, 0.0f, 0.0f, 2.0f, 9.0f}})) == 0);
  CHECK(distance(nn::LeakyReLU()(x), tensor({{-0.6f, -0.15f, 0.0f, 0.5f, 2.0f, 9.0f}})) < 1e-7);
  CHECK(distance(nn::ELU({.alpha = 0.5})(x), where(x > 0, x, 0.5 * (exp(x) - 1))) < 1e-6);
  CHECK(distance(nn::Softmax()(x), exp(x) / sum(exp(x))) < 1e-6);
}

TEST_CASE("PReLU: one slope a feature, or shared along axes") {
  nn::PReLU each, shared({.shared_axes = {1, 2}}), quarter({.alpha_initializer = nn::initializers::constant(0.25)});
  CHECK(distance(each(image), relu(image)) == 0);
  CHECK(each.variables()[0].shape() == Shape({6, 5, 4}));
  shared(image);
  CHECK(shared.variables()[0].shape() == Shape({1, 1, 4}));
  CHECK(distance(quarter(image), leaky_relu(image, 0.25)) < 1e-7);
  GradientTape tape;
  const Tensor y = sum(shared(image));
  CHECK(distance(tape.gradient(y, shared.variables()[0]), -sum(relu(-image), {.axis = {0, 1, 2}}) * ones({1, 1, 4})) <
        1e-4);
}

TEST_CASE("dropout: off unless training; the share, the scale, the seed") {
  nn::Dropout drop(0.25, {.seed = 1}), same(0.25, {.seed = 1}), none(0);
  const Tensor x = ones({100, 100});
  CHECK(distance(drop(x), x) == 0);
  CHECK(distance(none(x, {.training = true}), x) == 0);
  const Tensor once = drop(x, {.training = true}), twice = drop(x, {.training = true});
  CHECK(distance(once, twice) > 0);
  CHECK(distance(once, same(x, {.training = true})) == 0);
  CHECK(distance(twice, same(x, {.training = true})) == 0);
  CHECK(distance(twice, drop(x, {.training = true})) > 0);
  CHECK(distance(once, nn::Dropout(0.25, {.seed = 2})(x, {.training = true})) > 0);
  std::int64_t zero = 0;
  for (float v : once.to_vector<float>()) {
    zero += v == 0;
    CHECK((v == 0 || v == doctest::Approx(1 / 0.75)));
  }
  CHECK(std::abs(double(zero) - 2500) < 5 * std::sqrt(10000 * 0.25 * 0.75));
  CHECK(drop.variables().empty());
}

TEST_CASE("Flatten, Reshape and Permute") {
  CHECK(nn::Flatten()(image).shape() == Shape({2, 120}));
  CHECK(nn::Flatten()(ones({4})).shape() == Shape({4, 1}));
  CHECK(nn::Flatten()(zeros({0, 3, 2})).shape() == Shape({0, 6}));
  CHECK(nn::Reshape({4, -1})(image).shape() == Shape({2, 4, 30}));
  CHECK(nn::Reshape({})(ones({3, 1})).shape() == Shape({3}));
  CHECK(nn::Reshape({0})(zeros({2, 0, 3})).shape() == Shape({2, 0}));
  CHECK(nn::Reshape({4, -1})(image[Slice(0, 0)]).shape() == Shape({0, 4, 30}));
  CHECK(distance(nn::Permute({2, 1})(image[0]), permute_dims(image[0], {0, 2, 1})) == 0);
}

TEST_CASE("ZeroPadding2D in its three forms; Rescaling of bytes; Embedding of floats and bytes") {
  CHECK(nn::ZeroPadding2D(2)(image).shape() == Shape({2, 10, 9, 4}));
  CHECK(nn::ZeroPadding2D({1, 2})(image).shape() == Shape({2, 8, 9, 4}));
  CHECK(nn::ZeroPadding2D({{1, 2}, {0, 3}})(image).shape() == Shape({2, 9, 8, 4}));
  CHECK(nn::ZeroPadding2D(0)(image).shape() == image.shape());
  CHECK(distance(sum(nn::ZeroPadding2D(3)(image)), sum(image)) < 1e-5);

  const Tensor bytes = tensor({{0, 128, 255}}, DType::u8), scaled = nn::Rescaling(1.0 / 255)(bytes);
  CHECK(scaled.dtype() == DType::f32);
  CHECK(distance(scaled, tensor({{0.0f, 128 / 255.0f, 1.0f}})) < 1e-7);

  nn::Embedding table(5, 3, {.seed = 1});
  const Tensor rows = table(tensor({{0, 4}, {4, 2}}));
  CHECK(rows.shape() == Shape({2, 2, 3}));
  CHECK(distance(table(tensor({{0.0f, 4.0f}, {4.0f, 2.0f}})), rows) == 0);
  CHECK(distance(table(tensor({{0, 4}, {4, 2}}, DType::u8)), rows) == 0);
  CHECK(table(zeros({0, 4}, DType::i64)).shape() == Shape({0, 4, 3}));
  GradientTape tape;
  const Tensor y = sum(table(tensor({{0, 4}, {4, 2}})));
  CHECK(distance(tape.gradient(y, table.variables()[0]),
                 tensor({1.0f, 0.0f, 1.0f, 0.0f, 2.0f})(Slice(), newaxis) * ones({5, 3})) == 0);
}

TEST_CASE("transposed convolutions have Keras's sizes") {
  auto size = [](int n, const nn::ConvTransposeLayerOptions& o) {
    return nn::Conv2DTranspose(1, n, o).compute_output_shape({4, 5, 2});
  };
  CHECK(size(3, {}) == Shape({6, 7, 1}));
  CHECK(size(3, {.strides = 2}) == Shape({9, 11, 1}));
  CHECK(size(2, {.strides = 3}) == Shape({12, 15, 1}));
  CHECK(size(3, {.strides = 2, .padding = "same"}) == Shape({8, 10, 1}));
  CHECK(size(3, {.strides = 2, .padding = "same", .output_padding = 0}) == Shape({7, 9, 1}));
  CHECK(size(3, {.strides = 2, .output_padding = {1, 0}}) == Shape({10, 11, 1}));
  CHECK(size(3, {.dilation_rate = 2}) == Shape({8, 9, 1}));
}
