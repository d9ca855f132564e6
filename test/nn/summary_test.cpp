// summary(): the text that Keras prints at 80 columns, character by character.
#include <tapir/test/ops/golden.h>

using namespace tapir;

namespace {

std::string expected(const std::string& name) {
  golden::Family family("layers");
  for (auto& c : family.cases)
    if (c["name"] == name) return c["text"].get<std::string>();
  FAIL("no case " << name);
  return "";
}

nn::Sequential digits() {
  return nn::Sequential{nn::Conv2D(32, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
                        nn::Dense(10)};
}

// The lines between the heading and the totals, without the rules.
std::vector<std::string> rows(const nn::Model& model) {
  std::istringstream text(model.summary_text());
  std::vector<std::string> out;
  for (std::string line; std::getline(text, line);)
    if (line.starts_with("│")) out.push_back(line);
  return out;
}

}  // namespace

TEST_CASE("unbuilt, built and trained") {
  nn::reset_names();
  nn::Sequential model = digits();
  CHECK(model.summary_text() == expected("cnn_summary_unbuilt"));
  model.build({28, 28, 1});
  CHECK(model.summary_text() == expected("cnn_summary"));
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy"});
  CHECK(model.summary_text() == expected("cnn_summary"));
  model.fit(zeros({2, 28, 28, 1}), zeros({2}, DType::i64), {.verbose = 0});
  CHECK(model.summary_text() == expected("cnn_summary_trained"));
}

TEST_CASE("long names go on in the next line; moving statistics are not trainable") {
  nn::reset_names();
  nn::Conv2D before(1, 1);
  before.build({1, 1, 1});  // takes the name conv2d, as in the reference
  nn::Dense taken(1);
  taken.build({1});
  nn::Sequential model({nn::Conv2D(4, 3, {.use_bias = false}), nn::BatchNormalization(), nn::ReLU(), nn::Conv2D(4, 3),
                        nn::BatchNormalization(), nn::Dropout(0.5), nn::GlobalAveragePooling2D(), nn::Dense(2)},
                       "two_blocks");
  model.build({8, 8, 3});
  CHECK(model.summary_text() == expected("two_blocks_summary"));
}

// What Keras 3.15.1 printed for the same models.
TEST_CASE("words that do not fit are cut, shapes go on, nested models are one row") {
  nn::reset_names();
  const std::vector<std::string> unbuilt{
      "│ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… │ ?                      │   0 (unbuilt) │",
      "│ (Dense)                         │                        │               │",
      "│ with space in it and more than  │ ?                      │   0 (unbuilt) │",
      "│ a line holds (Dense)            │                        │               │"};
  CHECK(rows(nn::Sequential{nn::Dense(2, {.name = std::string(60, 'x')}),
                            nn::Dense(3, {.name = "with space in it and more than a line holds"})}) == unbuilt);

  nn::reset_names();
  nn::Sequential inner{nn::Conv2D(4, 3), nn::BatchNormalization()};
  nn::Sequential outer(
      {inner, nn::Flatten(), nn::Dense(1000, {.name = "big"}), nn::Reshape({10, 10, 10, 1, 1}), nn::Dense(2)}, "outer");
  outer.build({20, 20, 3});
  const std::vector<std::string> built{"│ sequential (Sequential)         │ (None, 18, 18, 4)      │           128 │",
                                       "│ flatten (Flatten)               │ (None, 1296)           │             0 │",
                                       "│ big (Dense)                     │ (None, 1000)           │     1,297,000 │",
                                       "│ reshape (Reshape)               │ (None, 10, 10, 10, 1,  │             0 │",
                                       "│                                 │ 1)                     │               │",
                                       "│ dense (Dense)                   │ (None, 10, 10, 10, 1,  │             4 │",
                                       "│                                 │ 2)                     │               │"};
  CHECK(rows(outer) == built);
  const std::string text = outer.summary_text();
  CHECK(text.substr(text.find(" Total")) ==
        " Total params: 1,297,132 (4.95 MB)\n Trainable params: 1,297,124 (4.95 MB)\n Non-trainable params: 8 (32.00 "
        "B)\n");
}

TEST_CASE("what just fits, and sizes about 1 KB") {
  nn::Sequential model{nn::Dense(252, {.use_bias = false, .name = std::string(23, 'a')}),
                       nn::Dense(1, {.use_bias = false, .name = std::string(24, 'b')})};
  model.build({1});
  CHECK(rows(model) ==
        std::vector<std::string>{"│ aaaaaaaaaaaaaaaaaaaaaaa (Dense) │ (None, 252)            │           252 │",
                                 "│ bbbbbbbbbbbbbbbbbbbbbbbb        │ (None, 1)              │           252 │",
                                 "│ (Dense)                         │                        │               │"});
  CHECK(model.summary_text().find(" Total params: 504 (1.97 KB)\n") != std::string::npos);
  model.layers()[1]->set_trainable(false);
  CHECK(model.summary_text().find(" Trainable params: 252 (1008.00 B)\n") != std::string::npos);
}

TEST_CASE("which layers count as unbuilt") {
  nn::reset_names();
  std::vector<std::string> marked;
  for (auto& row :
       rows(nn::Sequential{nn::PReLU(), nn::MaxPooling1D(2), nn::ZeroPadding2D(1), nn::UpSampling2D(2), nn::ELU(),
                           nn::Softmax(), nn::Permute({2, 1}), nn::LeakyReLU(), nn::Rescaling(1), nn::Reshape({3, 1}),
                           nn::Dropout(0.5), nn::Activation("relu"), nn::Embedding(3, 4), nn::Sequential{}}))
    if (row.find("(unbuilt)") != std::string::npos) marked.push_back(row.substr(4, row.find(' ', 4) - 4));
  CHECK(marked == std::vector<std::string>{"p_re_lu", "zero_padding2d", "up_sampling2d", "permute", "rescaling",
                                           "embedding", "sequential"});
}

TEST_CASE("no layers; frozen layers; sgd") {
  nn::reset_names();
  CHECK(nn::Sequential({}, "empty").summary_text() ==
        "Model: \"empty\"\n"
        "┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓\n"
        "┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃\n"
        "┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩\n"
        "└─────────────────────────────────┴────────────────────────┴───────────────┘\n"
        " Total params: 0 (0.00 B)\n Trainable params: 0 (0.00 B)\n Non-trainable params: 0 (0.00 B)\n");
  nn::Dense first(4);
  nn::Sequential model{first, nn::Dense(1)};
  model.compile({.optimizer = "sgd", .loss = "mse"});
  model.fit(ones({4, 3}), ones({4, 1}), {.verbose = 0});
  first.set_trainable(false);
  const std::string text = model.summary_text();
  CHECK(text.substr(text.find(" Total")) ==
        " Total params: 23 (96.00 B)\n Trainable params: 5 (20.00 B)\n Non-trainable params: 16 (64.00 B)\n"
        " Optimizer params: 2 (12.00 B)\n");
}

TEST_CASE("a model of one's own lists the layers that it called") {
  nn::reset_names();
  struct TwoHeads : nn::Model {
    nn::Dense body{4}, left{3}, right{3, {.name = "right"}};
    Tensor call(const Tensor& x, bool) override {
      Tensor y = body(x), z = left(y);
      return z + right(y);
    }
  } model;
  CHECK(rows(model).empty());
  model.build({5});
  CHECK(model.name() == "two_heads");
  CHECK(rows(model) ==
        std::vector<std::string>{"│ dense (Dense)                   │ (None, 4)              │            24 │",
                                 "│ dense_1 (Dense)                 │ (None, 3)              │            15 │",
                                 "│ right (Dense)                   │ (None, 3)              │            15 │"});
}
