// What recurrent layers do beside Keras's numbers, which more_layers_test.cpp has: state, dropout, training, errors.
#include <tapir/test/ops/golden.h>

#include <cstdio>

using namespace tapir;
using golden::check_error;
using golden::distance;

TEST_CASE("a stateful layer goes on where the last batch ended") {
  nn::GRU whole(3, {.seed = 1}), parts(3, {.stateful = true, .seed = 1});
  const Tensor x = golden::randn({2, 6, 4}, DType::f32);
  const Tensor wanted = whole(x);
  parts(x(Slice(), Slice(3)));
  CHECK(distance(parts(x(Slice(), Slice(3, none))), wanted) < 1e-6);
  parts.reset_states();
  CHECK(distance(parts(x), wanted) < 1e-6);
  CHECK(parts.variables().size() == 3);  // the state is no weight
  auto traced = function([&](const Tensor& t) { return parts(t); });
  parts.reset_states();
  traced(x(Slice(), Slice(3)));
  CHECK(distance(traced(x(Slice(), Slice(3, none))), wanted) < 1e-6);
}

TEST_CASE("the steps of a graph are a loop or written out, with the same result") {
  for (std::int64_t steps : {3, 16, 17, 50}) {
    nn::LSTM lstm(4, {.return_sequences = true});
    const Tensor x = golden::randn({2, steps, 3}, DType::f32);
    const Tensor eager = lstm(x);
    CHECK(distance(function([&](const Tensor& t) { return lstm(t); })(x), eager) < 1e-6);
  }
}

TEST_CASE("dropout is that of training, and the same in all steps") {
  nn::SimpleRNN rnn(2, {.activation = "linear",
                        .kernel_initializer = "ones",
                        .recurrent_initializer = "zeros",
                        .dropout = 0.5,
                        .return_sequences = true});
  const Tensor x = ones({64, 5, 3});
  CHECK(distance(rnn(x), full({64, 5, 2}, 3.0f)) == 0);
  const Tensor y = rnn(x, {.training = true});
  CHECK(distance(y(Slice(), Slice(0, 1)) + zeros({64, 5, 2}), y) == 0);
  CHECK(std::abs(mean(y).item<double>() - 3) < 0.6);
  CHECK(max(y).item<double>() == 6);
}

TEST_CASE("directions are merged, or given as they are") {
  const Tensor x = golden::randn({2, 4, 3}, DType::f32);
  nn::Bidirectional both(nn::LSTM(2, {.return_sequences = true}), {.merge_mode = "none"});
  auto ys = both.outputs({x});
  REQUIRE(ys.size() == 2);
  CHECK(ys[0].shape() == Shape({2, 4, 2}));
  CHECK(both.variables().size() == 6);
  nn::Sequential model{nn::Bidirectional(nn::LSTM(2, {.return_sequences = true})), nn::Bidirectional(nn::LSTM(2)),
                       nn::Dense(1)};
  CHECK(model(x).shape() == Shape({2, 1}));
  CHECK(model.variables().size() == 14);
}

TEST_CASE("a recurrent model learns the sum of a sequence, and its weights are saved and read") {
  random::set_seed(3);
  const Tensor x = random::uniform({256, 20, 1}, {.seed = 1}), y = mean(x, {.axis = 1});
  auto make = [] { return nn::Sequential{nn::LSTM(8, {.seed = 5}), nn::Dense(1, {.seed = 6})}; };
  nn::Sequential model = make();
  model.compile({.optimizer = optim::Adam({.learning_rate = 0.02}), .loss = "mse"});
  auto history = model.fit(x, y, {.epochs = 30, .shuffle_seed = 1, .verbose = 0});
  CHECK(history["loss"].back() < 0.5 * var(y).item<double>());  // always answering with the mean gives var(y)
  model.save_weights("recurrent.safetensors");
  nn::Sequential again = make();
  again.build({20, 1});
  again.load_weights("recurrent.safetensors");
  std::remove("recurrent.safetensors");
  CHECK(distance(again(x), model(x)) == 0);
}

TEST_CASE("what cannot be run says why") {
  check_error<UsageError>([] { nn::LSTM(0); }, "LSTMCell: units must be 1 or more, got 0.");
  check_error<UsageError>([] { nn::GRU(2, {.dropout = 1}); }, "GRUCell: dropout must be in [0, 1), got 1.");
  check_error<ShapeError>([] { nn::LSTM(2)(ones({2, 3})); }, "LSTM: needs an input [N, steps, features], got rank 2.");
  check_error<UsageError>(
      [] {
        nn::LSTM(2, {.name = "l"})({ones({2, 3, 4}), ones({2, 2})});
      },
      "l: takes an input and 2 states, got 2 tensors.");
  nn::LSTM lstm(2);
  lstm(ones({1, 2, 3}));
  check_error<ShapeError>(
      [&] {
        lstm(ones({1, 2, 4}));
      },
      "LSTMCell: was built for 3 features, got an input [2, 1, 4].");
  check_error<UsageError>([] { nn::Bidirectional(nn::LSTM(2), {.merge_mode = "cat"}); },
                          "merge_mode: there is no 'cat'. There are: ave, concat, mul, none, sum.");
}
