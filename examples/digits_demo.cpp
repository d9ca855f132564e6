// Trains a small convolutional network on handwritten digits and shows what it learned, here and on a page.
// usage: digits_demo [FOLDER [PAGE]]
//   FOLDER  holds the digits as IDX files, plain or .gz; examples/digits if none is given
//   PAGE    is written for a browser; digits.html if none is given
#include <tapir/tapir.h>

#include <cstdio>

using namespace tapir;

// One digit as rows of text, two pixels high each.
static std::vector<std::string> drawn(const Tensor& image) {
  std::vector<float> v = contiguous(image).to_vector<float>();
  std::vector<std::string> rows;
  for (int r = 2; r < 26; r += 2) {
    std::string row;
    for (int c = 4; c < 24; ++c) {
      bool top = v[std::size_t(r * 28 + c)] > 0.4f, bottom = v[std::size_t((r + 1) * 28 + c)] > 0.4f;
      row += top && bottom ? "█" : top ? "▀" : bottom ? "▄" : " ";
    }
    rows.push_back(row);
  }
  return rows;
}

// The curves of the training, which digit it took for which, and every mistake.
static void write_page(const std::string& path, nn::Model& model, const nn::History& history, const nn::Logs& result,
                       const data::ImageSet& test, const Tensor& said) {
  std::vector<std::int64_t> wrong = nonzero(said != test.labels)[0].to_vector<std::int64_t>();
  std::vector<std::string> captions;
  for (auto i : wrong)
    captions.push_back(std::to_string(test.labels[i].item<int>()) + ", said " + std::to_string(said[i].item<int>()));
  char accuracy[16];
  std::snprintf(accuracy, sizeof accuracy, "%.2f %%", 100 * result["accuracy"]);
  report::write(
      path,
      {report::facts({{"right, of digits never seen", accuracy},
                      {"digits never seen", std::to_string(test.labels.size())},
                      {"wrong", std::to_string(wrong.size())},
                      {"weights", std::to_string(model.count_params())}}),
       report::curves(history), report::confusion(confusion_matrix(test.labels, said)),
       report::images(take(test.images, Tensor::from_vector(wrong)), {.title = "All mistakes", .captions = captions}),
       report::model(model)},
      {.title = "Handwritten digits"});
}

int main(int argc, char** argv) try {
  const char* folder = argc > 1 ? argv[1] : "examples/digits";
  data::ImageSet train = data::load_idx(folder, "train"), test = data::load_idx(folder, "t10k");

  nn::Sequential model{
      nn::Conv2D(32, {3, 3}, {.activation = "relu"}),
      nn::MaxPooling2D({2, 2}),
      nn::Flatten(),
      nn::Dense(10, {.activation = "softmax"}),
  };
  model.build({28, 28, 1});
  model.summary();
  model.compile({.optimizer = "adam", .loss = "sparse_categorical_crossentropy", .metrics = {"accuracy"}});
  nn::History history =
      model.fit(train.images, train.labels, {.epochs = 10, .batch_size = 32, .validation_split = 0.1});

  nn::Logs result = model.evaluate(test.images, test.labels);
  std::printf("\n%lld digits that it has never seen: %.2f %% right (loss %.4f)\n\n",
              static_cast<long long>(test.images.shape(0)), 100 * result["accuracy"], result["loss"]);

  Tensor probabilities = model.predict(test.images);
  Tensor answers = argmax(probabilities, {.axis = -1});
  std::vector<std::int64_t> said = answers.to_vector<std::int64_t>();
  std::vector<std::int64_t> truth = test.labels.to_vector<std::int64_t>();
  std::vector<float> sure = max(probabilities, {.axis = -1}).to_vector<float>();
  std::vector<std::size_t> shown;  // four of the first, and four mistakes
  for (std::size_t i = 0; i < 4; ++i) shown.push_back(i);
  for (std::size_t i = 4; i < said.size() && shown.size() < 8; ++i)
    if (said[i] != truth[i]) shown.push_back(i);
  for (std::size_t first = 0; first < shown.size(); first += 4) {
    std::vector<std::vector<std::string>> pictures;
    for (std::size_t k = first; k < std::min(first + 4, shown.size()); ++k)
      pictures.push_back(drawn(test.images[std::int64_t(shown[k])]));
    for (std::size_t r = 0; r < pictures[0].size(); ++r) {
      for (auto& p : pictures) std::printf("%s ", p[r].c_str());
      std::printf("\n");
    }
    for (std::size_t k = first; k < std::min(first + 4, shown.size()); ++k) {
      std::size_t i = shown[k];
      char text[32];
      std::snprintf(text, sizeof text, said[i] == truth[i] ? "%lld (%.0f %%)" : "%lld (%.0f %%), is %lld",
                    static_cast<long long>(said[i]), 100.0 * double(sure[i]), static_cast<long long>(truth[i]));
      std::printf("%-20s ", text);
    }
    std::printf("\n\n");
  }

  const std::string page = argc > 2 ? argv[2] : "digits.html";
  write_page(page, model, history, result, test, answers);
  std::printf("Curves, confusion matrix and every mistake, for a browser: %s\n", page.c_str());
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
