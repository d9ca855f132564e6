// Writes pages and drawings to a folder, for pages.py to check and for `./dev interop` to look at in a browser.
#include <tapir/look/drawing.h>
#include <tapir/tapir.h>

#include <cmath>
#include <cstdio>
#include <fstream>

using namespace tapir;

static const char* const kHostile = "<script>alert('x')</script> & \"quotes\" \xff ünï 日本";

namespace {

struct Block : nn::Layer {
  nn::Conv2D a{8, {3, 3}, {.padding = "same", .activation = "relu"}}, b{8, {3, 3}, {.padding = "same"}};
  nn::BatchNormalization norm;
  Tensor call(const Tensor& x, bool) override { return relu(x + norm(b(a(x)))); }
};
struct Net : nn::Model {
  Net() : nn::Model("small_residual_network") {}
  nn::Conv2D first{8, {3, 3}, {.padding = "same"}};
  Block one, two;
  nn::GlobalAveragePooling2D pool;
  nn::Dropout drop{0.5};
  nn::Dense out{10, {.name = kHostile}};
  Tensor call(const Tensor& x, bool) override { return out(drop(pool(two(one(first(x)))))); }
};

nn::History history() {
  nn::History h;
  for (int e = 0; e < 24; ++e) {
    h.at_or_new("accuracy").push_back(1 - 0.6 * std::exp(-0.25 * e));
    h.at_or_new("loss").push_back(2.3 * std::exp(-0.22 * e) + 0.04);
    h.at_or_new("val_accuracy").push_back(0.95 - 0.55 * std::exp(-0.3 * e) + 0.01 * std::sin(e));
    h.at_or_new("val_loss").push_back(e == 11 ? NAN : 2.2 * std::exp(-0.25 * e) + 0.15 + 0.002 * e);
    h.at_or_new("learning_rate").push_back(e < 16 ? 1e-3 : 1e-4);
  }
  return h;
}

// Circles of a colour each.
Tensor pictures() {
  std::vector<float> v;
  for (int n = 0; n < 6; ++n)
    for (int y = 0; y < 24; ++y)
      for (int x = 0; x < 24; ++x)
        for (int c = 0; c < 3; ++c)
          v.push_back((x - 12) * (x - 12) + (y - 12) * (y - 12) < 100 ? 0.3f + 0.7f * float((n >> c) & 1) : 0.05f);
  return Tensor::from_vector(v, {6, 24, 24, 3});
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string folder = argc > 1 ? argv[1] : ".";
  Net net;
  net(zeros({1, 28, 28, 1}));
  nn::plot_model(net, folder + "/model.svg");
  nn::plot_model(net, folder + "/nested.html", {.show_dtype = true, .show_trainable = true, .expand_nested = true});
  nn::plot_model(net, folder + "/across.svg", {.rankdir = "LR"});

  const Tensor labels = random::integers({2000}, 0, 10, {.seed = 1}),
               noise = random::integers({2000}, 0, 10, {.seed = 2}),
               said = where(random::uniform({2000}, {.seed = 3}) < 0.85f, labels, noise);
  const std::vector<std::string> names = {"zero", "one", "two",   "three", kHostile,
                                          "five", "six", "seven", "eight", "a longer name"};
  std::string table;
  {
    Profile profile(folder + "/trace.json");
    ProfileScope scope(kHostile);
    net.predict(random::normal({64, 28, 28, 1}, {.seed = 4}));
    table = profile.summary({.rows = 8});
  }
  report::write(folder + "/report.html",
                {report::text("A page with everything on it.\n\nIts names try to be markup: " + std::string(kHostile)),
                 report::facts({{"test accuracy", "86.4 %"}, {"weights", "2,514"}, {kHostile, kHostile}}),
                 report::curves(history()),
                 report::curves(history(), {.title = "On a logarithmic scale", .metrics = {"loss"}, .log_scale = true}),
                 report::confusion(confusion_matrix(labels, said), {.labels = names}),
                 report::confusion(confusion_matrix(labels, said, {.num_classes = 60}), {.title = "Sixty classes"}),
                 report::images(pictures(), {.title = "Pictures",
                                             .captions = {"dark", "red", "green", "yellow", "blue", kHostile}}),
                 report::table({"a", "b"}, {{"1", kHostile}, {"2", "x"}}), report::heading("Where the time went"),
                 report::code(table), report::model(net, {.rankdir = "LR"})},
                {.title = std::string("Report ") + kHostile});

  look::Drawing drawing{"two hundred boxes", {}, {}};
  for (int i = 0; i < 200; ++i) {
    drawing.boxes.push_back({{"op " + std::to_string(i), "f32[32, 10]"}, i % 7 ? "op" : "weight", "tip"});
    for (int k : {1 + i * 7 % 5, 3 + i * 11 % 13})
      if (i >= k && i % 7) drawing.links.push_back({i - k, i, "f32[32, 10]"});
  }
  std::ofstream(folder + "/large.html") << look::to_page("A large drawing", {drawing});
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
