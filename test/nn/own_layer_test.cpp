// Layers of one's own, by deriving from Layer: weights, training, freezing, names, errors.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;
using golden::distance;

namespace {

const Tensor x = random::normal({5, 3}, {.seed = 1});

// y = x w + b, with a count of calls that is no weight to train.
struct Linear : nn::Layer {
  std::int64_t units;
  Variable w, b, calls;
  explicit Linear(std::int64_t n, const std::string& name = "") : Layer(name), units(n) {}
  void make_weights(const Shape& s) override {
    w = add_weight("w", {s.back(), units}, {.seed = 1});
    b = add_weight("b", {units}, {.initializer = "ones"});
    calls = add_weight("calls", {}, {.initializer = "zeros", .trainable = false});
  }
  Tensor call(const Tensor& t, bool training) override {
    if (training) calls.assign_add(Tensor(1));
    return matmul(t, w) + b;
  }
};

// Noise in training only; says what it was told.
struct Noise : nn::Layer {
  std::vector<bool>* told;
  explicit Noise(std::vector<bool>* log) : told(log) {}
  Tensor call(const Tensor& t, bool training) override {
    told->push_back(training);
    return training ? t + 1 : t;
  }
};

struct Block : nn::Layer {
  Linear inner{4, "in"};
  nn::Dense outer{2};
  Noise noise;
  explicit Block(std::vector<bool>* log) : noise(log) {}
  Tensor call(const Tensor& t, bool) override { return noise(outer(tanh(inner(t)))); }
};

std::vector<std::string> names(const std::vector<Variable>& variables) {
  std::vector<std::string> out;
  for (auto& v : variables) out.push_back(v.name());
  return out;
}

}  // namespace

TEST_CASE("weights are made by the first call, in order, and not twice") {
  nn::reset_names();
  Linear layer(4);
  CHECK(layer.name() == "linear");
  CHECK(layer.type() == "Linear");
  CHECK(layer.variables().empty());
  const Tensor y = layer(x);
  CHECK(names(layer.variables()) == std::vector<std::string>{"linear/w", "linear/b", "linear/calls"});
  CHECK(names(layer.trainable_variables()) == std::vector<std::string>{"linear/w", "linear/b"});
  CHECK(names(layer.non_trainable_variables()) == std::vector<std::string>{"linear/calls"});
  CHECK(layer.count_params() == 3 * 4 + 4 + 1);
  CHECK(distance(y, matmul(x, layer.w) + 1) < 1e-6);
  const Variable w = layer.w;
  layer(x);
  layer.build({3});
  CHECK(layer.w == w);
  CHECK(layer.compute_output_shape({3}) == Shape({4}));
  CHECK(Linear(1).name() == "linear_1");
  CHECK(Linear(1, "mine").name() == "mine");
}

TEST_CASE("gradients reach own weights and sublayers, and central differences agree") {
  std::vector<bool> told;
  Block block(&told);
  GradientTape tape;
  const Tensor loss = sum(square(block(x)));
  auto variables = block.trainable_variables();
  CHECK(variables.size() == 4);
  auto gradients = tape.gradient(loss, variables);
  for (std::size_t i = 0; i < variables.size(); ++i) {
    REQUIRE(gradients[i].defined());
    // The derivative along a direction, in f32: about three digits.
    const Tensor kept = variables[i].value(), d = random::normal(kept.shape(), {.seed = std::int64_t(i)});
    auto at = [&](double h) {
      variables[i].assign(kept + h * d);
      return sum(square(block(x))).item<double>();
    };
    const double numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
    variables[i].assign(kept);
    CHECK(sum(gradients[i] * d).item<double>() == doctest::Approx(numeric).epsilon(5e-3));
  }
}

TEST_CASE("f64 weights make an f64 layer, whose gradients are exact") {
  const nn::Initializer wide(
      [](const Shape& s, std::int64_t) { return random::normal(s, {.dtype = DType::f64, .seed = 3}); });
  nn::Conv2D conv(2, 3, {.activation = "tanh", .kernel_initializer = wide, .bias_initializer = wide});
  nn::Dense dense(2, {.activation = "sigmoid", .kernel_initializer = wide, .bias_initializer = wide});
  nn::PReLU prelu({.alpha_initializer = wide});
  golden::check_gradient([&](const Tensor& t) { return conv(t); }, golden::randn({1, 4, 4, 2}));
  golden::check_gradient([&](const Tensor& t) { return dense(t); }, golden::randn({3, 4}));
  golden::check_gradient([&](const Tensor& t) { return prelu(t); }, golden::randn({3, 4}));
  CHECK(dense.kernel().dtype() == DType::f64);
}

TEST_CASE("training is handed on; a layer may be told otherwise") {
  std::vector<bool> told;
  Block block(&told);
  block(x);
  block(x, {.training = true});
  block(x, {.training = false});
  CHECK(told == std::vector<bool>{false, true, false});
  CHECK(block.inner.calls.value().item<float>() == 1);
  struct Fixed : nn::Layer {
    Noise noise;
    explicit Fixed(std::vector<bool>* log) : noise(log) {}
    Tensor call(const Tensor& t, bool) override { return noise(t, {.training = true}); }
  } fixed(&told);
  fixed(x, {.training = false});
  CHECK(told.back());
}

TEST_CASE("frozen: a part, the whole, and back; weights do not move and their gradients still exist") {
  std::vector<bool> told;
  Block block(&told);
  block(x);
  block.inner.set_trainable(false);
  CHECK(block.trainable_variables().size() == 2);
  CHECK(block.non_trainable_variables().size() == 3);
  CHECK(block.variables().size() == 5);
  block.set_trainable(false);
  CHECK(block.trainable_variables().empty());
  CHECK(block.outer.trainable());  // its own flag is as it was
  CHECK(block.outer.trainable_variables().size() == 2);
  block.set_trainable(true);
  CHECK(block.trainable_variables().size() == 2);
  GradientTape tape;
  const Tensor y = block(x);
  for (auto& g : tape.gradient(y, block.inner.variables(), {.unconnected = UnconnectedGradients::zero}))
    CHECK(g.defined());
}

TEST_CASE("frozen() is true within a frozen layer") {
  struct Ask : nn::Layer {
    std::vector<bool>* told;
    explicit Ask(std::vector<bool>* log) : told(log) {}
    Tensor call(const Tensor& t, bool) override {
      told->push_back(frozen());
      return t;
    }
  };
  std::vector<bool> told;
  Ask ask(&told);
  nn::Sequential model{ask};
  model(x);
  model.set_trainable(false);
  model(x);
  ask(x);  // by itself it is not
  ask.set_trainable(false);
  ask(x);
  CHECK(told == std::vector<bool>{false, true, false, true});
}

TEST_CASE("copies share weights wherever they are made, before the first call too") {
  Linear layer(4), copy = layer;
  layer(x);
  copy(x);
  CHECK(copy.w == layer.w);
  CHECK(layer.variables().size() == 3);
  Linear moved = std::move(copy);
  CHECK(distance(moved(x), layer(x)) == 0);
  Linear other(4);
  other = layer;
  CHECK(other.w == layer.w);
  CHECK(other.name() == layer.name());
}

TEST_CASE("a weight may be shared between two layers, a layer used twice") {
  struct Tied : nn::Layer {
    Linear encode{4};
    Tensor call(const Tensor& t, bool) override {
      const Tensor code = encode(t);
      return matmul(code, matrix_transpose(encode.w));
    }
  } tied;
  CHECK(tied(x).shape() == Shape({5, 3}));
  CHECK(tied.variables().size() == 3);
  struct Twice : nn::Layer {
    Linear once{3};
    Tensor call(const Tensor& t, bool) override { return once(once(t)); }
  } twice;
  GradientTape tape;
  const Tensor y = sum(twice(x));
  CHECK(twice.variables().size() == 3);
  // d sum((x w + b) w + b) / db = n (1 + w 1)
  const Tensor expected = 5 * (1 + sum(twice.once.w.value(), {.axis = 1}));
  CHECK(distance(tape.gradient(y, twice.once.b), expected) < 1e-5);
}

TEST_CASE("what goes wrong within: the user's line, the user's exception, and the layer can be used again") {
  Linear layer(4, "mine");
  check_error<UsageError>([&] { layer(Tensor()); }, "mine: the input is an undefined tensor.");
  check_error<ShapeError>([&] { layer.build({-1, 3}); }, "build: the input shape [?, 3] has an unknown size.");
  check_error<ShapeError>([&] { layer.compute_output_shape({-1}); },
                          "compute_output_shape: the input shape [?] has an unknown size.");
  CHECK(!layer.built());
  layer(x);
  check_error<ShapeError>([&] { layer(ones({5, 2})); }, "matmul: inner dimensions differ, 2 vs 3 ([5, 2] x [3, 4]).");
  CHECK(layer(x).shape() == Shape({5, 4}));

  struct Nothing : nn::Layer {
    Nothing() : Layer("nothing") {}
    Tensor call(const Tensor&, bool) override { return {}; }
  } nothing;
  check_error<UsageError>([&] { nothing(x); }, "nothing: call gave an undefined tensor.");

  struct Mine {};
  struct Throws : nn::Layer {
    int calls = 0;
    Linear inner{2};
    void make_weights(const Shape&) override {
      if (calls++ == 0) throw Mine();
      add_weight("w", {2});
    }
    Tensor call(const Tensor& t, bool) override {
      if (calls++ == 2) throw Mine();
      return inner(t);
    }
  } throws;
  CHECK_THROWS_AS(throws(x), Mine);  // from make_weights
  CHECK(throws.variables().empty());
  CHECK_THROWS_AS(throws(x), Mine);  // from call
  CHECK(throws(x).shape() == Shape({5, 2}));
  CHECK(throws.variables().size() == 4);
  GradientTape tape;  // no scope of the failed calls is left behind
  const Tensor y = Linear(1)(x);
  CHECK(throws.variables().size() == 4);
}
