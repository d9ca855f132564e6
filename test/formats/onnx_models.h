// Models that go to ONNX and back: in tests through our own reader, in `./dev interop` through ONNX Runtime.
#pragma once
#include <tapir/formats/onnx.h>
#include <tapir/tapir.h>

#include <functional>
#include <memory>

namespace onnx_models {
using namespace tapir;

struct Case {
  std::string name;
  std::function<std::vector<Tensor>(const std::vector<Tensor>&)> run;
  std::vector<TensorSpec> signature;
  std::vector<Tensor> inputs;
};

template <class Layer>
std::function<std::vector<Tensor>(const std::vector<Tensor>&)> forward(Layer layer) {
  auto kept = std::make_shared<Layer>(layer);
  return [kept](const std::vector<Tensor>& xs) { return std::vector<Tensor>{(*kept)(xs[0])}; };
}

inline Tensor noise(const Shape& s, int seed) { return random::normal(s, {.seed = seed}); }

inline std::vector<Case> all() {
  random::set_seed(7);
  std::vector<Case> out;
  const Tensor image = noise({2, 8, 8, 1}, 1);
  out.push_back({"mlp",
                 forward(nn::Sequential{nn::Dense(16, {.activation = "relu"}), nn::Dropout(0.3),
                                        nn::Dense(8, {.activation = "gelu"}), nn::LayerNormalization(),
                                        nn::Dense(3, {.activation = "softmax"})}),
                 {TensorSpec({unknown, 5})},
                 {noise({4, 5}, 2)}});
  out.push_back({"digits_cnn",
                 forward(nn::Sequential{nn::Conv2D(8, {3, 3}, {.padding = "same", .activation = "relu"}),
                                        nn::MaxPooling2D({2, 2}), nn::Conv2D(12, {3, 3}, {.activation = "relu"}),
                                        nn::Flatten(), nn::Dense(10)}),
                 {TensorSpec({unknown, 8, 8, 1})},
                 {image}});
  out.push_back({"group_norm",
                 forward(nn::Sequential{nn::Conv2D(6, {3, 3}), nn::GroupNormalization({.groups = 3}), nn::ReLU(),
                                        nn::Flatten(), nn::GroupNormalization({.groups = 1}), nn::Dense(2)}),
                 {TensorSpec({unknown, 8, 8, 1})},
                 {image}});
  // Two convolutions around which the input goes, shrunk by a third one; statistics that are not those of a start.
  struct Block {
    nn::Conv2D a{6, {3, 3}, {.strides = {2, 2}, .padding = "same", .use_bias = false}},
        b{6, {3, 3}, {.padding = "same", .use_bias = false}}, skip{6, {1, 1}, {.strides = {2, 2}}};
    nn::BatchNormalization norm_a, norm_b;
    Tensor operator()(const Tensor& x) {
      const Tensor inner = norm_b(b(relu(norm_a(a(x)))));
      return mean(relu(inner + skip(x)), {.axis = {1, 2}});
    }
  };
  auto block = std::make_shared<Block>();
  (*block)(image);
  for (auto* norm : {&block->norm_a, &block->norm_b})
    for (auto& v : norm->variables())
      if (v.name().find("variance") != std::string::npos) v.assign(abs(noise(v.shape(), 3)) + 0.5);
      else v.assign_add(noise(v.shape(), 4) * 0.1);
  out.push_back({"resnet_block",
                 [block](const std::vector<Tensor>& xs) { return std::vector<Tensor>{(*block)(xs[0])}; },
                 {TensorSpec({unknown, 8, 8, 1})},
                 {image}});
  out.push_back(
      {"lstm",
       forward(nn::Sequential{nn::Embedding(20, 6), nn::Bidirectional(nn::LSTM(4, {.return_sequences = true})),
                              nn::GRU(5), nn::Dense(3)}),
       {TensorSpec({unknown, 12}, DType::i32)},
       {random::integers({3, 12}, 0, 20, {.dtype = DType::i32, .seed = 5})}});
  out.push_back(
      {"decoder",
       forward(nn::Sequential{
           nn::Conv2DTranspose(4, {3, 3}, {.strides = {2, 2}, .padding = "same", .activation = "elu"}),
           nn::AveragePooling2D({3, 3}, {.strides = {2, 2}, .padding = "same"}),
           nn::DepthwiseConv2D({3, 3}, {.padding = "same"}), nn::UpSampling2D({2, 2}), nn::GlobalAveragePooling2D()}),
       {TensorSpec({2, 8, 8, 1})},
       {image}});
  out.push_back({"two_inputs",
                 [](const std::vector<Tensor>& xs) {
                   const Tensor scores = softmax(matmul(xs[0], xs[1], {.transpose_b = true}) / 2.0);
                   return std::vector<Tensor>{matmul(scores, xs[1]), argmax(scores, {.axis = -1}),
                                              where(greater(xs[0], 0), log1p(abs(xs[0])),
                                                    concat({xs[0][0], xs[0][0]}, {.axis = 0})(Slice(0, 1), ellipsis))};
                 },
                 {TensorSpec({2, 3, 4}), TensorSpec({2, 3, 4})},
                 {noise({2, 3, 4}, 6), noise({2, 3, 4}, 7)}});
  return out;
}

/// Writes one as NAME.onnx; its inputs are called input or input_0, input_1.
inline void save(const Case& c, const std::string& path) {
  auto f = function([&](const std::vector<Tensor>& xs) { return c.run(xs); });
  onnx::save(path, f.get_concrete(c.signature));
}

}  // namespace onnx_models
