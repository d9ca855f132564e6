// Masks beside real Keras: every case of test/golden/masking.json, eager and traced; scopes, losses and fit with masks.
#include <tapir/test/ops/golden.h>

#include <map>

using namespace tapir;
using golden::distance;

namespace {

using nn::AnyLayer;
using Built = std::shared_ptr<nn::Model>;

const golden::Family& family() {
  static const golden::Family f("masking");
  return f;
}

Built in_a_row(const std::vector<AnyLayer>& layers) { return std::make_shared<nn::Sequential>(layers); }
Built model(const nn::Symbols& inputs, const nn::Symbol& output) {
  return std::make_shared<nn::Functional>(inputs, output);
}

AnyLayer recurrent(const std::string& kind, std::int64_t units, const nn::RecurrentOptions& o = {}) {
  if (kind == "SimpleRNN") return nn::SimpleRNN(units, o);
  if (kind == "LSTM") return nn::LSTM(units, o);
  return nn::GRU(units, o);
}

// The models of make_masking.py.
Built build(const std::string& name) {
  const nn::RecurrentOptions sequence{.return_sequences = true};
  const nn::Masking masking;
  for (const char* kind : {"SimpleRNN", "LSTM", "GRU"}) {
    const std::string k = kind;
    if (name == k) return in_a_row({masking, recurrent(k, 4)});
    if (name == k + "_sequence") return in_a_row({masking, recurrent(k, 4, sequence)});
    if (name == k + "_backwards")
      return in_a_row({masking, recurrent(k, 4, {.return_sequences = true, .go_backwards = true})});
    if (name == k + "_zero")
      return in_a_row({masking, recurrent(k, 4, {.return_sequences = true, .zero_output_for_mask = true})});
  }
  const nn::GRU gru(3, sequence);
  if (name == "value") return in_a_row({nn::Masking({.mask_value = 0.5}), nn::GRU(4)});
  if (name == "LSTM_long") return in_a_row({masking, nn::LSTM(3, sequence)});
  if (name == "GRU_long_backwards") return in_a_row({masking, nn::GRU(3, {.go_backwards = true})});
  if (name == "stacked_cells")
    return in_a_row({masking, nn::RNN(nn::StackedRNNCells({nn::GRUCell(3), nn::LSTMCell(4)}), sequence)});
  const nn::Embedding embedding(9, 3, {.mask_zero = true});
  if (name == "embedding") return in_a_row({embedding, nn::LSTM(4, sequence), nn::Dense(2)});
  if (name == "embedding_last") return in_a_row({embedding, nn::SimpleRNN(4, sequence), nn::GRU(3), nn::Dense(2)});
  if (name == "bidirectional_concat") return in_a_row({masking, nn::Bidirectional(nn::LSTM(3, sequence))});
  if (name == "bidirectional_sum")
    return in_a_row({masking, nn::Bidirectional(nn::LSTM(3, sequence), {.merge_mode = "sum"})});
  if (name == "bidirectional_last") return in_a_row({masking, nn::Bidirectional(nn::GRU(3))});
  if (name == "time_distributed") return in_a_row({masking, nn::TimeDistributed(nn::Dense(4)), gru});
  if (name == "average") return in_a_row({masking, nn::Dense(4, {.activation = "tanh"}), nn::GlobalAveragePooling1D()});
  if (name == "average_kept") return in_a_row({masking, nn::GlobalAveragePooling1D({.keepdims = true})});
  if (name == "lost") return in_a_row({masking, nn::Conv1D(3, 2, {.padding = "same"}), gru});
  if (name == "through")
    return in_a_row({masking, nn::Activation("tanh"), nn::ReLU(), nn::LayerNormalization(), nn::Dropout(0.5),
                     nn::Rescaling(2), nn::LeakyReLU(), nn::GaussianNoise(0.5), nn::UnitNormalization(), nn::LSTM(3)});
  if (name == "batch_normalization") return in_a_row({masking, nn::BatchNormalization(), nn::GRU(3)});
  if (name == "batch_normalization_inference") return in_a_row({masking, nn::BatchNormalization()});

  const nn::Symbol a = nn::Input({5, 3}), b = nn::Input({5, 3});
  auto masked = [](const nn::Symbol& s) { return nn::Masking()(s); };
  const std::vector<nn::Symbol> both{masked(a), masked(b)}, one{masked(a), b};
  if (name == "Add") return model({a, b}, nn::GRU(3, sequence)(nn::Add()(both)));
  if (name == "Multiply") return model({a, b}, nn::GRU(3, sequence)(nn::Multiply()(both)));
  if (name == "Concatenate") return model({a, b}, nn::GRU(3, sequence)(nn::Concatenate()(both)));
  if (name == "Average") return model({a, b}, nn::GRU(3, sequence)(nn::Average()(both)));
  if (name == "add_unmasked") return model({a, b}, nn::GRU(3, sequence)(nn::Add()(one)));
  if (name == "concatenate_unmasked") return model({a, b}, nn::GRU(3, sequence)(nn::Concatenate()(one)));
  if (name == "concatenate_steps") return model({a, b}, nn::GRU(3)(nn::Concatenate({.axis = 1})(both)));
  if (name == "Attention") return model({a, b}, nn::Dense(2)(nn::Attention()(both)));
  if (name == "AdditiveAttention") return model({a, b}, nn::Dense(2)(nn::AdditiveAttention()(both)));
  const nn::Symbol m = masked(a);
  const std::vector<nn::Symbol> self{m, m};
  if (name == "attention_causal") return model(a, nn::Attention({.use_causal_mask = true})(self));
  if (name == "self_attention") return model(a, nn::MultiHeadAttention(2, 4)(self));
  if (name == "self_attention_causal") return model(a, nn::MultiHeadAttention(2, 4, {.use_causal_mask = true})(self));
  if (name == "self_attention_dropout") return model(a, nn::MultiHeadAttention(2, 4, {.dropout = 0.5})(self));
  if (name == "cross_attention") return model({a, b}, nn::MultiHeadAttention(2, 4)(both));
  REQUIRE_MESSAGE(name == "cross_attention_unmasked_query", "no model " << name);
  return model({a, b}, nn::MultiHeadAttention(2, 4)(std::vector<nn::Symbol>{a, masked(b)}));
}

struct Case {
  std::string name;
  bool has(const std::string& field) const { return io::contains(family().arrays, name + "." + field); }
  Tensor get(const std::string& field) const { return has(field) ? family().get(name, field) : Tensor(); }
  std::vector<Tensor> all(const std::string& letter) const {
    std::vector<Tensor> out;
    for (int i = 0; has(letter + std::to_string(i)); ++i) out.push_back(get(letter + std::to_string(i)));
    return out;
  }
};

}  // namespace

TEST_CASE("outputs, masks, losses, metrics and gradients are those of Keras, eager and traced") {
  for (auto& json : family().cases) {
    const Case c{json["name"]};
    INFO(c.name);
    const bool training = json["attrs"]["training"];
    const Built net = build(c.name);
    const std::vector<Tensor> xs = c.all("x"), weights = c.all("w");
    auto call = [&](const std::vector<Tensor>& in) {
      return in.size() == 1 ? (*net)(in[0], {.training = training}) : (*net)(in, {.training = training});
    };
    call(xs);
    auto restore = [&] {
      const std::vector<Variable> own = net->variables();
      REQUIRE(own.size() == weights.size());
      for (std::size_t i = 0; i < own.size(); ++i) Variable(own[i]).assign(weights[i]);
    };
    auto close = [&](const Tensor& a, const char* field) { CHECK_MESSAGE(distance(a, c.get(field)) < 1e-5, field); };
    const nn::Loss mse("mse");

    restore();
    std::vector<Tensor> gradients;
    {
      nn::MaskScope masks;
      GradientTape tape;
      const Tensor y = call(xs), loss = mse(c.get("y_true"), y);
      close(y, "y");
      close(loss, "loss");
      if (c.has("d0")) gradients = tape.gradient(loss, net->trainable_variables());
      nn::metrics::MeanSquaredError metric;
      metric.update(c.get("y_true"), y);
      CHECK(metric.result() == doctest::Approx(double(c.get("metric").item<float>())).epsilon(1e-5));
      const Tensor mask = nn::MaskScope::of(y);
      CHECK(mask.defined() == c.has("mask"));
      if (c.has("mask")) {
        CHECK(distance(mask, c.get("mask")) == 0);
        const Tensor w = c.get("sample_weight");
        close(mse(c.get("y_true"), y, w), "weighted_loss");
        close(nn::Loss("mse", {.reduction = nn::Reduction::sum})(c.get("y_true"), y), "loss_sum");
        close(nn::Loss("mse", {.reduction = nn::Reduction::none})(c.get("y_true"), y), "loss_each");
        nn::metrics::MeanSquaredError weighted;
        weighted.update(c.get("y_true"), y, w);
        CHECK(weighted.result() == doctest::Approx(double(c.get("weighted_metric").item<float>())).epsilon(1e-5));
      }
    }
    const auto expected = c.all("d"), after = c.all("after");
    REQUIRE(gradients.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(distance(gradients[i], expected[i]) < 1e-5);
    const auto moved = net->non_trainable_variables();
    REQUIRE(moved.size() == after.size());
    for (std::size_t i = 0; i < after.size(); ++i) CHECK(distance(moved[i].value(), after[i]) < 1e-5);

    restore();
    auto step = function([&](const std::vector<Tensor>& in) {
      nn::MaskScope masks;
      GradientTape tape;
      const Tensor loss = mse(c.get("y_true"), call(in));
      std::vector<Tensor> out;
      if (c.has("d0")) out = tape.gradient(loss, net->trainable_variables());
      out.push_back(loss);
      return out;
    });
    const std::vector<Tensor> traced = step(xs);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(distance(traced[i], expected[i]) < 1e-5);
    close(traced.back(), "loss");
  }
}

TEST_CASE("fit and evaluate mind the mask: padding of any length trains to the same weights") {
  const Tensor x = random::uniform({12, 4, 2}, {.seed = 1}) + 0.1, y = random::normal({12, 4, 1}, {.seed = 2});
  auto train = [&](std::int64_t padding, bool eagerly) {
    nn::Sequential model{nn::Masking(), nn::LSTM(3, {.return_sequences = true, .seed = 1}), nn::Dense(1, {.seed = 2})};
    model.compile({.optimizer = "sgd", .loss = "mse", .metrics = {"mae"}, .run_eagerly = eagerly});
    const Tensor longer = concat({x, zeros({12, padding, 2})}, {.axis = 1});
    const Tensor answers = concat({y, full({12, padding, 1}, 100.0f)}, {.axis = 1});  // nobody asks for these
    nn::History h = model.fit(longer, answers, {.epochs = 2, .batch_size = 5, .shuffle_seed = 1, .verbose = 0});
    const nn::Logs logs = model.evaluate(longer, answers);
    return std::vector<double>{h["loss"][1], h["mae"][1], logs["loss"], logs["mae"]};
  };
  const std::vector<double> none = train(0, false);
  for (std::int64_t padding : {1, 3, 20})
    for (bool eagerly : {false, true}) {
      const std::vector<double> padded = train(padding, eagerly);
      for (std::size_t i = 0; i < none.size(); ++i) CHECK(padded[i] == doctest::Approx(none[i]).epsilon(1e-5));
    }
}

TEST_CASE("a model within a model, a layer of one's own, and a loss of one's own see the mask") {
  const Tensor x = concat({ones({2, 3, 2}), zeros({2, 2, 2})}, {.axis = 1}), y = zeros({2, 5, 2});
  struct Own : nn::LayerOf<Own> {
    Own() { passes_mask(); }
    Tensor call(const Tensor& t, bool) override { return t * 2 + 1; }
  };
  struct Other : nn::LayerOf<Other> {
    Tensor call(const Tensor& t, bool) override { return t * 2 + 1; }
  };
  nn::MaskScope masks;
  const nn::Loss mse("mse"), own([](const Tensor&t, const Tensor&p) { return mean(square(t - p), {.axis = -1}); });
  nn::Sequential inner{Own()}, kept{nn::Masking(), inner}, lost{nn::Masking(), Other()};
  const Tensor with = kept(x), without = lost(x);
  CHECK(nn::MaskScope::of(with).shape() == Shape({2, 5}));
  CHECK_FALSE(nn::MaskScope::of(without).defined());
  CHECK(mse(y, with).item<float>() == doctest::Approx(9));  // of the steps that count
  CHECK(own(y, with).item<float>() == doctest::Approx(9));
  CHECK(mse(y, without).item<float>() == doctest::Approx((9 * 3 + 2) / 5.0));
  CHECK(nn::mean_squared_error(y, without, {.mask = nn::MaskScope::of(with)}).item<float>() == doctest::Approx(9));
  // Where nothing counts, nothing is lost.
  CHECK(mse(y, kept(zeros({2, 5, 2}))).item<float>() == 0);
}

TEST_CASE("a mask given by hand; scopes end") {
  const Tensor x = random::normal({2, 4, 3}, {.seed = 1}), mask = tensor({{1, 1, 0, 0}, {1, 1, 1, 1}}) > 0;
  nn::GRU gru(3, {.seed = 1});
  const Tensor plain = gru(x);
  {
    nn::MaskScope masks;
    nn::MaskScope::set(x, mask);
    const Tensor masked = gru(x);
    CHECK(distance(masked[1], plain[1]) < 1e-6);
    CHECK(distance(masked[0], gru(x(Slice(0, 1), Slice(0, 2)))[0]) < 1e-6);
    {
      nn::MaskScope inner;
      CHECK(nn::MaskScope::of(x).defined());
    }
  }
  CHECK_FALSE(nn::MaskScope::active());
  CHECK_FALSE(nn::MaskScope::of(x).defined());
  CHECK(distance(gru(x), plain) == 0);
}

TEST_CASE("refusals") {
  using golden::check_error;
  const Tensor x = ones({2, 4, 3});
  check_error<UsageError>(
      [&] {
        nn::MaskScope::set(x, ones({2, 4}, DType::boolean));
      },
      "MaskScope::set: there is no MaskScope on this thread. Make one first.");
  nn::MaskScope masks;
  check_error<DTypeError>([&] { nn::MaskScope::set(x, ones({2, 4})); }, "MaskScope::set: a mask is bool, got f32.");
  check_error<ShapeError>(
      [&] {
        nn::MaskScope::set(x, ones({2, 3}, DType::boolean));
      },
      "MaskScope::set: the mask [2, 3] does not fit the tensor [2, 4, 3].");
  check_error<ShapeError>([&] { nn::Masking()(ones({3})); }, "Masking: needs an input [N, T, features], got [3].");
  check_error<ShapeError>(
      [&] {
        nn::mean_squared_error(ones({2, 3}), ones({2, 3}), {.mask = ones({4}, DType::boolean)});
      },
      "mean_squared_error: the mask [4] does not fit the values [2].");
  nn::MaskScope::set(x, ones({2, 4, 3}, DType::boolean));
  nn::GRU gru(2, {.name = "gru"});
  check_error<ShapeError>([&] { gru(x); }, "gru: needs a mask [N, T], got [2, 4, 3].");
}
