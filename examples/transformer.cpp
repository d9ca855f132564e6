// A small transformer that learns to turn sequences round: each place has to look at the one that mirrors it.
#include <tapir/tapir.h>

#include <cstdio>

using namespace tapir;

constexpr std::int64_t kLength = 12, kTokens = 10, kWidth = 32;

// Where in the sequence a token stands, as a learned vector that is added to its own.
struct Places : nn::LayerOf<Places> {
  nn::Embedding places{kLength, kWidth};
  Tensor call(const Tensor& x, bool) override { return x + places(arange(kLength)); }
};

static nn::Symbol block(const nn::Symbol& x, const nn::MultiHeadAttention& attention) {
  nn::MultiHeadAttention attend = attention;
  auto seen = nn::LayerNormalization()(x + attend(x));
  auto thought = nn::Dense(kWidth)(nn::Dense(2 * kWidth, {.activation = "gelu"})(seen));
  return nn::LayerNormalization()(seen + thought);
}

int main() try {
  random::set_seed(1);
  auto tokens = nn::Input({kLength}, {.dtype = DType::i64});
  nn::MultiHeadAttention attention(2, kWidth / 2, {.name = "attention"});
  auto x = block(Places()(nn::Embedding(kTokens, kWidth)(tokens)), attention);
  nn::Functional model(tokens, nn::Dense(kTokens)(x), "transformer");
  model.summary();

  const Tensor train = random::integers({4000, kLength}, 0, kTokens, {.seed = 1});
  const Tensor test = random::integers({500, kLength}, 0, kTokens, {.seed = 2});
  model.compile({.optimizer = optim::Adam({.learning_rate = 0.003}),
                 .loss = {"sparse_categorical_crossentropy", {.from_logits = true}},
                 .metrics = {"accuracy"}});
  model.fit(train, flip(train, {.axis = 1}), {.epochs = 12, .batch_size = 64, .shuffle_seed = 1, .verbose = 2});

  const Tensor said = argmax(model.predict(test), {.axis = -1});
  const double right = mean(astype(said == flip(test, {.axis = 1}), DType::f32)).item<double>();
  auto text = [](const Tensor& t) {
    std::string out;
    for (auto v : contiguous(t).to_vector<std::int64_t>()) out += " " + std::to_string(v);
    return out;
  };
  std::printf("in: %s\nout:%s\n", text(test[0]).c_str(), text(said[0]).c_str());
  std::printf("learned: %.1f %% of the places of sequences never seen are right; guessing gives 10 %%\n", 100 * right);
  return right > 0.95 ? 0 : 1;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
