// What layers say to wrong arguments, in their constructors and at inputs that do not fit.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;

namespace {

const Tensor vectors = ones({2, 4}), images = ones({2, 6, 5, 4});

template <class E, class L>
void check_call(L layer, const Tensor& x, const std::string& text) {
  check_error<E>([&] { layer(x); }, text);
  CHECK(!layer.built());
}

}  // namespace

TEST_CASE("constructors: sizes") {
  using namespace nn;
  check_error<UsageError>([] { Dense(0); }, "Dense: units must be 1 or more, got 0.");
  check_error<UsageError>([] { Dense(-4); }, "Dense: units must be 1 or more, got -4.");
  check_error<UsageError>([] { Embedding(0, 3); }, "Embedding: input_dim must be 1 or more, got 0.");
  check_error<UsageError>([] { Embedding(3, -1); }, "Embedding: output_dim must be 1 or more, got -1.");
  check_error<UsageError>([] { Conv1D(0, 3); }, "Conv1D: filters must be 1 or more, got 0.");
  check_error<UsageError>(
      [] {
        Conv2D(4, {3, 3, 3});
      },
      "Conv2D: kernel_size must be 2 sizes of 1 or more, or one for all, got [3, 3, 3].");
  check_error<UsageError>([] { Conv2D(4, 0); },
                          "Conv2D: kernel_size must be 2 sizes of 1 or more, or one for all, got [0].");
  check_error<UsageError>([] { Conv2D(4, Sizes{}); },
                          "Conv2D: kernel_size must be 2 sizes of 1 or more, or one for all, got [].");
  check_error<UsageError>([] { Conv1D(4, 3, {.strides = 0}); },
                          "Conv1D: strides must be 1 size of 1 or more, or one for all, got [0].");
  check_error<UsageError>(
      [] {
        Conv3D(4, 3, {.dilation_rate = {1, 2}});
      },
      "Conv3D: dilation_rate must be 3 sizes of 1 or more, or one for all, got [1, 2].");
  check_error<UsageError>([] { Conv2D(4, 3, {.groups = 0}); }, "Conv2D: groups must be 1 or more, got 0.");
  check_error<UsageError>([] { Conv2D(4, 3, {.groups = 3}); }, "Conv2D: 4 filters cannot be split into 3 groups.");
  check_error<UsageError>([] { Conv2DTranspose(-1, 3); }, "Conv2DTranspose: filters must be 1 or more, got -1.");
  check_error<UsageError>([] { DepthwiseConv2D(3, {.depth_multiplier = 0}); },
                          "DepthwiseConv2D: depth_multiplier must be 1 or more, got 0.");
  check_error<UsageError>([] { SeparableConv2D(0, 3); }, "SeparableConv2D: filters must be 1 or more, got 0.");
  check_error<UsageError>([] { SeparableConv2D(1, 3, {.depth_multiplier = -1}); },
                          "SeparableConv2D: depth_multiplier must be 1 or more, got -1.");
  check_error<UsageError>(
      [] {
        MaxPooling2D({2, 0});
      },
      "MaxPooling2D: pool_size must be 2 sizes of 1 or more, or one for all, got [2, 0].");
  check_error<UsageError>([] { AveragePooling1D(2, {.strides = -1}); },
                          "AveragePooling1D: strides must be 1 size of 1 or more, or one for all, got [-1].");
  check_error<UsageError>([] { UpSampling2D(0); },
                          "UpSampling2D: size must be 2 sizes of 1 or more, or one for all, got [0].");
}

TEST_CASE("constructors: everything else") {
  using namespace nn;
  check_error<UsageError>([] { Conv2D(4, 3, {.padding = "sane"}); },
                          "padding: there is no 'sane'. Did you mean 'same'? There are: causal, same, valid.");
  check_error<UsageError>([] { Conv2D(4, 3, {.padding = "causal"}); }, "Conv2D: padding 'causal' is for Conv1D.");
  check_error<UsageError>([] { MaxPooling1D(2, {.padding = "causal"}); },
                          "MaxPooling1D: padding 'causal' is for Conv1D.");
  check_error<UsageError>([] { Dense(2, {.activation = "rleu"}); },
                          "activation: there is no 'rleu'. Did you mean 'relu'? There are: elu, exponential, gelu, "
                          "hard_sigmoid, hard_silu, "
                          "leaky_relu, linear, log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, "
                          "softmax, softplus, softsign, "
                          "swish, tanh.");
  check_error<UsageError>([] { Dropout(1); }, "Dropout: rate must be in [0, 1), got 1.");
  check_error<UsageError>([] { Dropout(-0.1); }, "Dropout: rate must be in [0, 1), got -0.1.");
  check_error<UsageError>(
      [] {
        nn::Reshape({-1, -1});
      },
      "Reshape: sizes must be 0 or more and at most one -1, got [-1, -1].");
  check_error<UsageError>(
      [] {
        nn::Reshape({2, -3});
      },
      "Reshape: sizes must be 0 or more and at most one -1, got [2, -3].");
  check_error<UsageError>([] { Permute({0, 1}); }, "Permute: dims must be 1 to 2, each once, got [0, 1].");
  check_error<UsageError>([] { Permute({1, 1}); }, "Permute: dims must be 1 to 2, each once, got [1, 1].");
  check_error<UsageError>([] { ReLU({.negative_slope = -1}); },
                          "ReLU: negative_slope and threshold must be 0 or more, got -1 and 0.");
  check_error<UsageError>([] { UpSampling2D(2, {.interpolation = "bicubic"}); },
                          "interpolation: there is no 'bicubic'. There are: bilinear, nearest.");
  const char* amounts =
      "ZeroPadding2D: needs one amount, {height, width} or {{top, bottom}, {left, right}}, each 0 or more.";
  check_error<UsageError>([] { ZeroPadding2D(-1); }, amounts);
  check_error<UsageError>([] { ZeroPadding2D({1, 2, 3}); }, amounts);
  check_error<UsageError>([] { ZeroPadding2D({{1, 2}, {3}}); }, amounts);
  check_error<UsageError>([] { ZeroPadding2D({{1, 2}, {3, -4}}); }, amounts);
}

TEST_CASE("inputs of another rank") {
  using namespace nn;
  check_call<ShapeError>(Dense(3), ones({4}), "Dense: needs an input [N, ..., features], got rank 1 or less.");
  check_call<ShapeError>(Dense(3), Tensor(1.0f), "Dense: needs an input [N, ..., features], got rank 1 or less.");
  check_call<ShapeError>(Conv1D(3, 2), images, "Conv1D: needs an input of rank 3, got rank 4.");
  check_call<ShapeError>(Conv2D(3, 2), vectors, "Conv2D: needs an input of rank 4, got rank 2.");
  check_call<ShapeError>(Conv3D(3, 2), images, "Conv3D: needs an input of rank 5, got rank 4.");
  check_call<ShapeError>(Conv2DTranspose(3, 2), vectors, "Conv2DTranspose: needs an input of rank 4, got rank 2.");
  check_call<ShapeError>(DepthwiseConv2D(2), vectors, "DepthwiseConv2D: needs an input of rank 4, got rank 2.");
  check_call<ShapeError>(SeparableConv2D(3, 2), vectors, "SeparableConv2D: needs an input of rank 4, got rank 2.");
  check_call<ShapeError>(MaxPooling2D(2), vectors, "max_pool2d: input must have rank 4 [N, H, W, C], got [2, 4].");
  check_call<ShapeError>(AveragePooling1D(2), images,
                         "avg_pool1d: input must have rank 3 [N, W, C], got [2, 6, 5, 4].");
  check_call<ShapeError>(GlobalMaxPooling2D(), vectors, "GlobalMaxPooling2D: needs an input of rank 4, got [2, 4].");
  check_call<ShapeError>(GlobalAveragePooling3D(), images,
                         "GlobalAveragePooling3D: needs an input of rank 5, got [2, 6, 5, 4].");
  check_call<ShapeError>(UpSampling2D(2), vectors, "UpSampling2D: needs an input of rank 4, got [2, 4].");
  check_call<ShapeError>(ZeroPadding2D(2), vectors, "ZeroPadding2D: needs an input of rank 4, got [2, 4].");
  check_call<ShapeError>(Permute({2, 1}), vectors, "Permute: needs an input of rank 3, got [2, 4].");
  check_call<ShapeError>(nn::Reshape({3}), vectors, "reshape: 8 elements of [2, 4] cannot fill [2, 3] (6 elements).");
  check_call<ShapeError>(nn::Reshape({-1, 3}), vectors,
                         "reshape: 8 elements of [2, 4] cannot fill [2, ?, 3]: 8 is not a multiple of 6.");
  check_call<ShapeError>(nn::Reshape({3}), Tensor(1.0f), "Reshape: needs an input [N, ...], got [].");
  check_call<ShapeError>(PReLU({.shared_axes = 2}), vectors, "PReLU: axis 2 is out of range for rank 2.");
  check_call<ShapeError>(PReLU({.shared_axes = 0}), vectors,
                         "PReLU: axis 0 is the batch, whose examples share the slopes anyway.");
  check_call<ShapeError>(nn::Softmax({.axis = 2}), vectors, "softmax: axis 2 is out of range for rank 2 ([2, 4]).");
}

TEST_CASE("channels that do not fit, before and after the layer was built; windows beyond the image") {
  using namespace nn;
  check_call<ShapeError>(Conv2D(6, 2, {.groups = 3}), images,
                         "Conv2D: 4 input channels cannot be split into 3 groups.");
  Dense dense(3, {.name = "head"});
  dense(vectors);
  check_error<ShapeError>([&] { dense(ones({2, 5})); }, "Dense: 'head' was built for 4 features, got an input [2, 5].");
  check_error<ShapeError>([&] { dense(ones({4})); }, "Dense: 'head' was built for 4 features, got an input [4].");
  const Tensor other = ones({2, 6, 5, 3});
  Conv2D conv(3, 2);
  conv(images);
  check_error<ShapeError>([&] { conv(other); },
                          "conv2d: input has 3 channels but kernel expects 4 (input [2, 6, 5, 3] NHWC, kernel [2, 2, "
                          "4, 3] HWIO, groups 1).");
  check_error<ShapeError>([&] { conv(vectors); }, "conv2d: input needs rank 4 (NHWC), got [2, 4].");
  CHECK(conv(images).shape() == Shape({2, 5, 4, 3}));
  check_error<ShapeError>(
      [&] { Conv2D(3, 7)(images); },
      "conv2d: a window of 7 (dilation 1) does not fit size 6 padded by 0 and 0. Use Padding::same or a larger input.");
  Embedding table(5, 3);
  auto outside = [](int id) {
    return "embedding_lookup: id " + std::to_string(id) +
           " is outside [0, 5), the rows of the table. Give ids that are unknown a row of their own, or make the table "
           "longer (input_dim).";
  };
  check_error<UsageError>([&] { table(tensor({{1, 5}})); }, outside(5));
  check_error<UsageError>([&] { table(tensor({{1, -1}})); }, outside(-1));
  check_error<UsageError>([&] { table(tensor({{1, -1}}, DType::i8)); }, outside(-1));
  check_error<UsageError>([&] { table(tensor({{4.0f, -1.0f}})); }, outside(-1));
  auto traced = function([&](const Tensor& ids) { return table(ids); });
  CHECK(array_equal(traced(tensor({{1, 4}})), table(tensor({{1, 4}}))));
  for (int id : {5, -1, -5}) check_error<UsageError>([&] { traced(tensor({{1, id}})); }, outside(id));
  CHECK(array_equal(traced(tensor({{0, 3}})), table(tensor({{0, 3}}))));  // works after as before
}

TEST_CASE("integers are not taken for floats") {
  const Tensor bytes = ones({2, 6, 5, 4}, DType::u8);
  check_call<DTypeError>(nn::Conv2D(3, 2), bytes, "conv2d: needs floats, got u8. Cast: x.astype(DType::f32).");
  check_call<DTypeError>(nn::Dense(3), bytes, "matmul: dtypes differ, u8 vs f32. Cast one side: y.astype(DType::f32).");
  check_call<DTypeError>(nn::AveragePooling2D(), bytes,
                         "avg_pool2d: needs a floating dtype, got u8. Cast it first: x.astype(DType::f32).");
}
