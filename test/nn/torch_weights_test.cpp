// Weights of real PyTorch (test/golden/torch, by make_torch.py) in models here: the same predictions, and errors that
// name what does not fit.
#include <tapir/test/io/files.h>
#include <tapir/test/ops/golden.h>
#include <tapir/test/thrown.h>

using namespace tapir;
using golden::distance;
namespace io = tapir::io;

namespace {

std::string file(const std::string& name) { return golden::path_of("torch/" + name); }

nn::Functional vision() {
  auto x = nn::Input({6, 8, 2});
  nn::BatchNormalization norm({.epsilon = 1e-5}), norm1d({.epsilon = 1e-5});
  auto h = nn::Conv2D(4, 3, {.padding = "same", .use_bias = false})(x);
  h = nn::MaxPooling2D(2)(nn::PReLU({.shared_axes = {1, 2}})(norm(h)));
  h = nn::DepthwiseConv2D(3, {.padding = "same", .depth_multiplier = 2})(h);
  h = nn::ReLU()(nn::GroupNormalization({.groups = 2, .epsilon = 1e-5})(h));
  h = nn::Conv2D(8, {3, 1}, {.padding = "same", .groups = 2})(h);
  h = nn::Dense(24, {.activation = "relu"})(norm1d(nn::Flatten()(h)));
  return nn::Functional(x, nn::Conv2DTranspose(3, 2, {.strides = 2})(nn::Reshape({2, 3, 4})(h)));
}

// The same as a class with ops in the place of layers.
struct OwnVision : nn::Model {
  nn::Conv2D a{4, 3, {.padding = "same", .use_bias = false}};
  nn::BatchNormalization n{{.epsilon = 1e-5}}, m{{.epsilon = 1e-5}};
  nn::PReLU r{{.shared_axes = {1, 2}}};
  nn::DepthwiseConv2D b{3, {.padding = "same", .depth_multiplier = 2}};
  nn::GroupNormalization g{{.groups = 2, .epsilon = 1e-5}};
  nn::Conv2D c{8, {3, 1}, {.padding = "same", .groups = 2}};
  nn::Dense d{24};
  nn::Conv2DTranspose u{3, 2, {.strides = 2}};
  Tensor call(const Tensor& x, bool) override {
    const Tensor h = c(relu(g(b(max_pool2d(r(n(a(x))), {2, 2})))));
    const Tensor v = relu(d(m(reshape(h, {h.shape(0), -1}))));
    return u(reshape(v, {-1, 2, 3, 4}));
  }
};

nn::Functional sequences() {
  const nn::RecurrentOptions o{.return_sequences = true};
  auto x = nn::Input({5}, {.dtype = DType::i64});
  auto h = nn::Embedding(11, 4)(x);
  h = nn::Bidirectional(nn::LSTM(3, o))(nn::Bidirectional(nn::LSTM(3, o))(h));
  h = nn::SimpleRNN(6, o)(nn::GRU(4, o)(h));
  h = nn::LayerNormalization({.epsilon = 1e-5})(h + nn::MultiHeadAttention(2, 3)(h));
  return nn::Functional(x, nn::Dense(5)(h));
}

struct Twins : nn::Model {
  nn::Dense second{3, {.name = "second"}}, first{3, {.name = "first"}};
  Variable gain{ones({3}), "gain"};
  Tensor call(const Tensor& x, bool) override { return first(tanh(second(x))) * gain; }
};

double off(nn::Model& model, const std::string& name) {
  const io::NamedTensors arrays = io::load_npz(file(name + ".out.npz"));
  return distance(model.predict(io::find(arrays, "x0")), io::find(arrays, "y0"));
}

// Nothing may change.
template <class E = FileError, class F>
std::string refused(nn::Layer& model, F f) {
  std::vector<Tensor> before;
  for (auto& v : model.variables()) before.push_back(v.value());
  const std::string text = message<E>(f);
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(array_equal(model.variables()[i].value(), before[i]));
  return text;
}

}  // namespace

TEST_CASE("convolutions, norms, and vectors that are images") {
  nn::Functional model = vision();
  CHECK(off(model, "vision") > 0.1);
  nn::load_torch_weights(model, file("vision.safetensors"));
  CHECK(off(model, "vision") < 1e-5);
  OwnVision own;
  own.build({6, 8, 2});
  nn::load_torch_weights(own, file("vision.safetensors"));
  CHECK(off(own, "vision") < 1e-5);
}

TEST_CASE("embeddings, recurrent layers of two levels and directions, attention") {
  nn::Functional model = sequences();
  nn::load_torch_weights(model, file("sequences.safetensors"));
  CHECK(off(model, "sequences") < 1e-5);
}

TEST_CASE("layers of the same sizes are told apart by names") {
  Twins model;
  model.build({3});
  const std::string path = file("twins.npz");
  CHECK(refused(model, [&] { nn::load_torch_weights(model, path); }) ==
        "load_torch_weights: " + path +
            ": which of 'first', 'second' is for which of 'second', 'first' is open, since all have bias [3], weight "
            "[3, 3]. Say it: .names = {{\"second\", ...}}.");
  nn::load_torch_weights(model, path, {.names = {{"second", "second"}}});
  CHECK(off(model, "twins") < 1e-5);
  nn::load_torch_weights(model, path, {.names = {{"first", "second"}, {"second", "first"}}});
  CHECK(off(model, "twins") > 0.01);

  CHECK(refused<UsageError>(model, [&] {
          nn::load_torch_weights(model, path, {.names = {{"third", "first"}}});
        }) == "load_torch_weights: names: the model has no layer 'third' that is not matched yet.");
  CHECK(refused(model, [&] {
          nn::load_torch_weights(model, path, {.names = {{"first", "third"}}});
        }) == "load_torch_weights: " + path + ": there is no module 'third' that is not matched yet, for 'first'.");
}

TEST_CASE("numbers in names are an order, and blocks are matched by their own names") {
  files::TempFolder folder;
  const std::string path = folder / "w.safetensors";
  auto value = [](float v) { return full({2, 2}, v); };
  // As save_file sorts them: 10 before 2.
  io::save_safetensors(path, {{"net.10.weight", value(10)},
                              {"net.2.weight", value(2)},
                              {"net.9.weight", value(9)},
                              {"head.1.weight", value(101)},
                              {"head.0.weight", value(100)},
                              {"net.3.num_batches_tracked", full({}, 5)}});
  struct Block : nn::LayerOf<Block, nn::Model> {
    std::vector<nn::Dense> layers;
    explicit Block(const std::string& name, int n) : LayerOf(name) {
      for (int i = 0; i < n; ++i) layers.emplace_back(2, nn::DenseOptions{.use_bias = false});
    }
    Tensor call(const Tensor& x, bool) override {
      Tensor y = x;
      for (auto& l : layers) y = l(y);
      return y;
    }
  };
  Block body("body", 3), head("top", 2);
  nn::Sequential model{body, head};
  model.build({2});
  CHECK(refused(model, [&] {
          nn::load_torch_weights(model, path);
        }).ends_with("Say it: .names = {{\"body/dense\", ...}}."));
  nn::load_torch_weights(model, path, {.names = {{"body", "net"}, {"top", "head"}}});
  std::vector<float> got;
  for (auto& v : model.variables()) got.push_back(v.value()(0, 0).item<float>());
  CHECK(got == std::vector<float>{2, 9, 10, 100, 101});

  nn::Sequential part{Block("body", 3)};
  part.build({2});
  nn::load_torch_weights(part, path, {.prefix = "net."});
  CHECK(part.variables()[1].value()(0, 0).item<float>() == 9);
}

TEST_CASE("what has no partner is listed") {
  files::TempFolder folder;
  const std::string path = folder / "w.safetensors";
  io::save_safetensors(path, {{"body.weight", ones({4, 3})}, {"body.bias", ones({4})}, {"fc.weight", ones({7, 4})}});
  nn::Sequential model{nn::Dense(4), nn::Dense(2, {.name = "head"})};
  CHECK(message<UsageError>([&] { nn::load_torch_weights(model, path); }) ==
        "load_torch_weights: '" + model.name() + "' has no weights yet. Call model.build(input_shape) first.");
  model.build({3});
  CHECK(refused(model, [&] { nn::load_torch_weights(model, path); }) ==
        "load_torch_weights: " + path +
            ": nothing in it fits 'head' (a Dense: bias [2], weight [2, 4]) of the model; 'fc' (weight [7, 4]) of the "
            "file fits nothing here. Pass over them with .partial = true.");
  CHECK(refused(model,
                [&] {
                  nn::load_torch_weights(model, path, {.names = {{"head", "fc"}}});
                }) == "load_torch_weights: " + path +
                          ": 'fc' (weight [7, 4]) does not fit 'head' (a Dense: bias [2], weight [2, 4]).");
  nn::load_torch_weights(model, path, {.partial = true});
  CHECK(array_equal(model.variables()[0].value(), ones({3, 4})));
  CHECK(refused(model, [&] { nn::load_torch_weights(model, path, {.prefix = "module.", .partial = true}); }) ==
        "load_torch_weights: " + path + ": nothing in it fits the model.");

  io::save_safetensors(path, {{"body.weight", ones({4, 3}, DType::i32)}, {"body.bias", ones({4})}});
  CHECK(refused(model, [&] { nn::load_torch_weights(model, path, {.partial = true}); }) ==
        "load_torch_weights: " + path + ": weight of 'body' is i32; weights are floating.");

  nn::Sequential gru{nn::GRU(2, {.reset_after = false})};
  gru.build({4, 3});
  CHECK(message<UsageError>([&] { nn::load_torch_weights(gru, path); }) ==
        "load_torch_weights: 'gru' was made with reset_after = false; PyTorch has no such GRU.");
}

TEST_CASE("half precision becomes the model's own") {
  files::TempFolder folder;
  const std::string path = folder / "w.safetensors";
  io::save_safetensors(path, {{"weight", full({2, 3}, 0.5f).astype(DType::bf16)}, {"bias", ones({2}, DType::f16)}});
  nn::Dense layer(2);
  layer.build({3});
  nn::load_torch_weights(layer, path);
  CHECK((layer.kernel().dtype() == DType::f32 && layer.kernel().value()(2, 1).item<float>() == 0.5f));
}

TEST_CASE("channels first, or transposed by hand before the flattening: the order is PyTorch's already") {
  files::TempFolder folder;
  const std::string path = folder / "w.safetensors";
  const Tensor w = reshape(arange(12.f), {1, 12}), conv = ones({3, 1, 1, 1});
  io::save_safetensors(path, {{"0.weight", conv}, {"2.weight", w}});
  const Tensor theirs = reshape(w, {12, 1}), ours = reshape(permute_dims(reshape(w, {3, 2, 2}), {1, 2, 0}), {12, 1});
  auto kernel = [&](nn::Sequential model, const Shape& input) {
    model.build(input);
    nn::load_torch_weights(model, path);
    return model.variables()[1].value();
  };
  const nn::Dense dense(1, {.use_bias = false});
  CHECK(array_equal(kernel({nn::Conv2D(3, 1, {.use_bias = false}), nn::Flatten(), dense}, {2, 2, 1}), ours));
  CHECK(array_equal(kernel({nn::Conv2D(3, 1, {.use_bias = false}), nn::Permute({3, 1, 2}), nn::Flatten(),
                            nn::Dense(1, {.use_bias = false})},
                           {2, 2, 1}),
                    theirs));
  CHECK(array_equal(kernel({nn::Conv2D(3, 1, {.data_format = DataFormat::channels_first, .use_bias = false}),
                            nn::ReLU(), nn::Flatten(), nn::Dense(1, {.use_bias = false})},
                           {1, 2, 2}),
                    theirs));
}
