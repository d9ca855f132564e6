// The functional API: symbols, shared layers, several inputs and outputs.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;
using golden::distance;

TEST_CASE("symbols know shapes and dtypes before there is data") {
  auto ids = nn::Input({5}, {.dtype = DType::i64});
  auto x = nn::Embedding(7, 3)(ids);
  CHECK(x.shape() == Shape({5, 3}));
  CHECK(x.dtype() == DType::f32);
  CHECK(nn::Flatten()(x).shape() == Shape({15}));
  CHECK((x * 2 + 1).shape() == Shape({5, 3}));
  CHECK(nn::Dense(4)(nn::Conv1D(2, 3)(x)).shape() == Shape({3, 4}));
}

TEST_CASE("a model of two inputs computes what its layers compute") {
  auto a = nn::Input({4}), b = nn::Input({3});
  nn::Dense first(5, {.activation = "tanh"}), second(5), last(2);
  auto h = nn::Add()({first(a), second(b)});
  nn::Functional model({a, b}, {last(h), h * 0.5});
  const Tensor x = golden::randn({6, 4}, DType::f32), y = golden::randn({6, 3}, DType::f32);
  const Tensor sum = first(x) + second(y);
  auto out = model.outputs({x, y});
  REQUIRE(out.size() == 2);
  CHECK(distance(out[0], last(sum)) == 0);
  CHECK(distance(out[1], sum * 0.5) == 0);
  CHECK(distance(model({x, y}), out[0]) == 0);
  CHECK(model.count_params() == 4 * 5 + 5 + 3 * 5 + 5 + 5 * 2 + 2);
  CHECK(model.trainable_variables().size() == 6);
  auto traced = function([&](const Tensor& p, const Tensor& q) { return model.outputs({p, q}); });
  CHECK(distance(traced(x, y)[0], out[0]) < 1e-6);
}

TEST_CASE("a layer that is called twice has one set of weights, and gradients of both calls") {
  auto a = nn::Input({4}), b = nn::Input({4});
  nn::Dense shared(3);
  nn::Functional model({a, b}, nn::Subtract()({shared(a), shared(b)}));
  CHECK(model.variables().size() == 2);
  CHECK(model.layers().size() == 2);
  const Tensor x = golden::randn({2, 4}, DType::f32), y = golden::randn({2, 4}, DType::f32);
  GradientTape tape;
  const Tensor out = model({x, y});
  CHECK(distance(out, matmul(x - y, shared.kernel())) < 1e-6);
  const Tensor dk = tape.gradient(sum(out), shared.kernel());
  CHECK(distance(dk, matmul(x - y, ones({2, 3}), {.transpose_a = true})) < 1e-6);
}

TEST_CASE("layers go on to live in the model, and know training from inference") {
  auto make = [] {
    auto x = nn::Input({8});
    return nn::Functional(x, nn::Dropout(0.5, {.seed = 3})(nn::BatchNormalization()(x)));
  };
  nn::Functional model = make();
  const Tensor x = golden::randn({16, 8}, DType::f32);
  CHECK(distance(model(x), x / std::sqrt(1.001)) < 1e-5);
  const Tensor dropped = model(x, {.training = true});
  CHECK(count_nonzero(equal(dropped, 0)).item<std::int64_t>() > 20);
  CHECK(model.non_trainable_variables().size() == 2);
}

TEST_CASE("models are layers of other models") {
  auto x = nn::Input({4});
  nn::Functional encoder(x, nn::Dense(2)(x));
  auto code = nn::Input({2});
  nn::Functional decoder(code, nn::Dense(4)(code));
  nn::Functional whole(x, decoder(encoder(x)));
  const Tensor t = golden::randn({3, 4}, DType::f32);
  CHECK(distance(whole(t), decoder(encoder(t))) == 0);
  CHECK(whole.count_params() == encoder.count_params() + decoder.count_params());
  nn::Sequential tail{nn::Dense(3), nn::ReLU()};
  CHECK(tail(encoder(x)).shape() == Shape({3}));
}

TEST_CASE("inner symbols can be inputs: what leads there is left out") {
  auto x = nn::Input({4});
  auto h = nn::Dense(3)(x);
  nn::Functional tail(h, nn::Dense(2)(h));
  CHECK(tail.count_params() == 3 * 2 + 2);
  CHECK(tail(ones({5, 3})).shape() == Shape({5, 2}));
}

TEST_CASE("a class of one's own is called through AnyLayer, or derives from LayerOf") {
  struct Twice : nn::Layer {
    Tensor call(const Tensor& x, bool) override { return x * 2; }
  };
  struct Thrice : nn::LayerOf<Thrice> {
    nn::Dense inner{2};
    Tensor call(const Tensor& x, bool) override { return inner(x) * 3; }
  };
  auto x = nn::Input({2});
  nn::Functional model(x, Thrice()(nn::AnyLayer(Twice())(x)));
  CHECK(model.count_params() == 6);
  check_error<UsageError>([&] { Twice()(x); },
                          "twice_1: a Twice cannot be called on symbols: nobody said how it is copied. Derive it from "
                          "nn::LayerOf<Twice>, or write nn::AnyLayer(layer)(x).");
}

TEST_CASE("merge layers") {
  const Tensor a = tensor({{1.0f, -2.0f}, {3.0f, 4.0f}}), b = tensor({{2.0f, 2.0f}, {1.0f, 8.0f}});
  CHECK(distance(nn::Add()({a, b, a}), a + b + a) == 0);
  CHECK(distance(nn::Subtract()({a, b}), a - b) == 0);
  CHECK(distance(nn::Multiply()({a, b}), a * b) == 0);
  CHECK(distance(nn::Average()({a, b}), (a + b) / 2) == 0);
  CHECK(distance(nn::Maximum()({a, b}), maximum(a, b)) == 0);
  CHECK(distance(nn::Minimum()({a, b}), minimum(a, b)) == 0);
  CHECK(distance(nn::Concatenate()({a, b}), concat({a, b}, {.axis = 1})) == 0);
  CHECK(distance(nn::Dot(1)({a, b}), tensor({{-2.0f}, {35.0f}})) == 0);
  check_error<UsageError>([&] { nn::Add()(a); }, "Add: needs 2 inputs or more, got 1. Write Add()({a, b}).");
}

TEST_CASE("what cannot be a model says why") {
  auto x = nn::Input({4}, {.name = "x"}), y = nn::Input({4}, {.name = "y"});
  check_error<UsageError>(
      [&] {
        nn::Functional(x, nn::Add()({x, y}));
      },
      "Functional: the outputs need the Input 'y', which is not listed.");
  check_error<UsageError>([&] { nn::Functional({x, x}, nn::Add()({x, x})); }, "Functional: an input is listed twice.");
  nn::Functional model({x, y}, nn::Add()({x, y}), "sum");
  check_error<UsageError>([&] { model(ones({1, 4})); }, "sum: takes 2 inputs, got 1.");
  check_error<ShapeError>(
      [&] {
        model({ones({1, 4}), ones({1, 3})});
      },
      "sum: input 1 has shape [1, 3], expected [4] after the batch.");
  check_error<UsageError>([&] { nn::Dense(1, {.name = "d"})(nn::Symbol()); },
                          "d: a symbol stands for nothing. Start from Input(shape).");
}

TEST_CASE("summary lists layers and connections as Keras does") {
  nn::reset_names();
  auto a = nn::Input({8}, {.name = "left"}), b = nn::Input({8}, {.name = "right"});
  nn::Dense d(4);
  auto c = nn::Concatenate()({d(a), d(b)});
  nn::Functional m({a, b},
                   {nn::Dense(1, {.name = "sum"})(c), nn::Dense(3, {.name = "a_very_long_name_of_a_layer"})(c + 1.0)});
  CHECK(m.summary_text() == R"(Model: "functional"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃ Connected to      ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━┩
│ left (InputLayer)   │ (None, 8)         │          0 │ -                 │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ right (InputLayer)  │ (None, 8)         │          0 │ -                 │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ dense (Dense)       │ (None, 4)         │         36 │ left[0][0],       │
│                     │                   │            │ right[0][0]       │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ concatenate         │ (None, 8)         │          0 │ dense[0][0],      │
│ (Concatenate)       │                   │            │ dense[1][0]       │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ add (Add)           │ (None, 8)         │          0 │ concatenate[0][0] │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ sum (Dense)         │ (None, 1)         │          9 │ concatenate[0][0] │
├─────────────────────┼───────────────────┼────────────┼───────────────────┤
│ a_very_long_name_o… │ (None, 3)         │         27 │ add[0][0]         │
│ (Dense)             │                   │            │                   │
└─────────────────────┴───────────────────┴────────────┴───────────────────┘
 Total params: 72 (288.00 B)
 Trainable params: 72 (288.00 B)
 Non-trainable params: 0 (0.00 B)
)");
  auto s = nn::Input({8});
  CHECK(nn::Functional(s, nn::Dense(3)(nn::Dense(2)(s))).summary_text().substr(0, 700).find("Connected") ==
        std::string::npos);
}

TEST_CASE("a drawing has a box for each input, and shared layers are one") {
  auto a = nn::Input({3}), b = nn::Input({3});
  nn::Dense d(4);
  nn::Functional m({a, b}, nn::Add()({d(a), d(b)}));
  const std::string svg = nn::model_svg(m);
  std::size_t inputs = 0;
  for (std::size_t at = svg.find(">input<"); at != std::string::npos; at = svg.find(">input<", at + 1)) ++inputs;
  CHECK(inputs == 2);
}

TEST_CASE("fit, evaluate and predict with two inputs and two outputs give Keras's numbers") {
  const golden::Family family("functional");
  const auto& c = family.cases[0];
  auto get = [&](const std::string& field) { return family.get("fit", field); };
  for (bool eagerly : {false, true}) {
    CAPTURE(eagerly);
    auto a = nn::Input({4}), b = nn::Input({4});
    nn::Dense shared(5, {.activation = "tanh"});
    auto h = nn::Add()({shared(a), shared(b)});
    nn::Functional model(
        {a, b}, {nn::Dense(1, {.name = "value"})(h), nn::Dense(3, {.activation = "softmax", .name = "kind"})(h)});
    auto weights = model.variables();
    REQUIRE(weights.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) weights[i].assign(get("w" + std::to_string(i)));
    model.compile({.optimizer = "sgd",
                   .losses = {"mse", "sparse_categorical_crossentropy"},
                   .loss_weights = {1, 0.5},
                   .output_metrics = {{"mae"}, {"accuracy"}},
                   .run_eagerly = eagerly});
    const std::vector<Tensor> x{get("a"), get("b")}, y{get("value"), get("kind")};
    auto history =
        model.fit(x, y, {.epochs = 3, .batch_size = 4, .shuffle = false, .verbose = 0, .sample_weight = get("weight")});
    std::size_t logged = 0;
    for (auto& [name, wanted] : c["history"].items()) {
      INFO(name);
      REQUIRE(history[name].size() == 3);
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(history[name][i] == doctest::Approx(wanted[i].get<double>()).epsilon(1e-5));
      ++logged;
    }
    CHECK(logged == 5);
    for (std::size_t i = 0; i < 6; ++i) CHECK(distance(weights[i].value(), get("after" + std::to_string(i))) < 1e-5);
    auto found = model.evaluate(x, y);
    for (auto& [name, wanted] : c["evaluated"].items())
      CHECK_MESSAGE(found[name] == doctest::Approx(wanted.get<double>()).epsilon(1e-5), name);
    auto all = model.predict_outputs(x, {.batch_size = 5});
    REQUIRE(all.size() == 2);
    CHECK(distance(all[0], get("y0")) < 1e-5);
    CHECK(distance(all[1], get("y1")) < 1e-5);
    CHECK(distance(model.predict(x), get("y0")) < 1e-5);
  }
}

TEST_CASE("what several outputs cannot be compiled or fed with") {
  auto x = nn::Input({2});
  nn::Functional model(x, {nn::Dense(1, {.name = "p"})(x), nn::Dense(1, {.name = "q"})(x)});
  check_error<UsageError>([&] { model.compile({.loss = "mse", .metrics = {"mae"}}); },
                          "compile: a model of several outputs takes .output_metrics, a list for each, in place of "
                          "metrics.");
  check_error<UsageError>(
      [&] {
        model.compile({.losses = {"mse", "mse"}, .loss_weights = {1}});
      },
      "compile: there are 2 outputs, but 2 losses, 1 loss_weights and 0 output_metrics.");
  model.compile({.loss = "mse"});  // one for both
  const Tensor data = golden::randn({6, 2}, DType::f32), y = golden::randn({6, 1}, DType::f32);
  auto history = model.fit(data, {y, y}, {.validation_data = {data, {y, y}}, .verbose = 0});
  CHECK(history["p_loss"].size() == 1);
  CHECK(history["val_q_loss"].size() == 1);
  CHECK(history["loss"][0] == doctest::Approx(history["p_loss"][0] + history["q_loss"][0]).epsilon(1e-5));
  check_error<UsageError>([&] { model.fit(data, y, {.verbose = 0}); },
                          "fit: 2 losses need as many outputs and answers, got 2 and 1.");
  check_error<ShapeError>(
      [&] {
        model.fit(data, {y, y(Slice(3))}, {.verbose = 0});
      },
      "fit: x [6, 2] and y [3, 1] must have the same number of examples.");
}
