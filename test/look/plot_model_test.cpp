// Drawings of models: which boxes there are and what leads where, read back from the SVG.
#include <tapir/tapir.h>
#include <tapir/test/io/files.h>

#include <regex>
#include <set>

using namespace tapir;
using files::error_of;
using files::TempFolder;

namespace {

struct Box {
  double x, y, width, height;
  std::vector<std::string> lines;
};

// The boxes of an SVG, and the links between them by their headings.
struct Read {
  std::vector<Box> boxes;
  std::multiset<std::string> links;  // "a -> b"

  explicit Read(const std::string& svg) {
    const std::regex box(R"re(<rect class="box" x="([-.\d]+)" y="([-.\d]+)" width="([-.\d]+)" height="([-.\d]+)")re"),
        text(R"re(<text[^>]*>([^<]*)</text>)re"),
        path(R"re(<g class="link">.*?<path d="M([-.\d]+) ([-.\d]+)(?:[LC][-.\d ]*?)*?([-.\d]+) ([-.\d]+)"/>)re");
    std::istringstream in(svg);
    std::vector<std::array<double, 4>> ends;
    for (std::string line; std::getline(in, line);) {
      std::smatch m;
      if (std::regex_search(line, m, box)) {
        boxes.push_back({std::stod(m[1]), std::stod(m[2]), std::stod(m[3]), std::stod(m[4]), {}});
        for (std::sregex_iterator t(line.begin(), line.end(), text), end; t != end; ++t)
          boxes.back().lines.push_back((*t)[1]);
      } else if (std::regex_search(line, m, path)) {
        ends.push_back({std::stod(m[1]), std::stod(m[2]), std::stod(m[3]), std::stod(m[4])});
      }
    }
    for (auto& e : ends) links.insert(at(e[0], e[1]) + " -> " + at(e[2], e[3]));
  }
  std::string at(double x, double y) const {
    for (auto& b : boxes)
      if (x >= b.x - 0.2 && x <= b.x + b.width + 0.2 && y >= b.y - 0.2 && y <= b.y + b.height + 0.2) return b.lines[0];
    return "nowhere";
  }
  const Box& box(const std::string& heading) const {
    for (auto& b : boxes)
      if (b.lines[0] == heading) return b;
    FAIL("no box " << heading);
    return boxes[0];
  }
};

struct Residual : nn::Layer {
  nn::Dense inner{4, {.activation = "relu"}}, outer{4};
  Tensor call(const Tensor& x, bool) override { return x + outer(inner(x)); }
};
struct Net : nn::Model {
  nn::Dense first{4};
  Residual block;
  nn::Dropout drop{0.5};
  nn::Dense shared{4};
  Variable gain{ones({}), "gain"};
  Tensor call(const Tensor& x, bool) override { return shared(shared(drop(block(first(x))))) * gain; }
};

}  // namespace

TEST_CASE("a sequential model is a chain, with shapes and numbers of weights") {
  nn::reset_names();
  nn::Sequential model{nn::Conv2D(32, {3, 3}, {.activation = "relu"}), nn::MaxPooling2D({2, 2}), nn::Flatten(),
                       nn::Dense(10)};
  model.build({28, 28, 1});
  const Read r(nn::model_svg(model));
  CHECK(r.links == std::multiset<std::string>{
                       "input -> conv2d (Conv2D)", "conv2d (Conv2D) -> max_pooling2d (MaxPooling2D)",
                       "max_pooling2d (MaxPooling2D) -> flatten (Flatten)", "flatten (Flatten) -> dense (Dense)"});
  CHECK(r.box("input").lines == std::vector<std::string>{"input", "(None, 28, 28, 1)"});
  CHECK(r.box("conv2d (Conv2D)").lines ==
        std::vector<std::string>{"conv2d (Conv2D)", "(None, 26, 26, 32)", "320 weights"});
  CHECK(r.box("flatten (Flatten)").lines == std::vector<std::string>{"flatten (Flatten)", "(None, 5408)"});
  CHECK(r.box("dense (Dense)").lines.back() == "54,090 weights");
}

TEST_CASE("blocks, operations outside of layers, a layer that runs twice, one that hands on what it gets") {
  nn::reset_names();
  Net net;
  net(ones({2, 3}));
  const Read r(nn::model_svg(net));
  CHECK(r.links == std::multiset<std::string>{"input -> dense (Dense)", "dense (Dense) -> residual (Residual)",
                                              "residual (Residual) -> dropout (Dropout)",
                                              "dropout (Dropout) -> dense_3 (Dense)",
                                              "dense_3 (Dense) -> dense_3 (Dense)", "dense_3 (Dense) -> multiply"});
  CHECK(r.boxes.size() == 7);
  CHECK(r.box("residual (Residual)").lines.back() == "40 weights");
  CHECK(r.boxes[5].lines.back() == "20 weights, shared");

  const Read nested(nn::model_svg(net, {.expand_nested = true}));
  CHECK(nested.links ==
        std::multiset<std::string>{"input -> dense (Dense)", "dense (Dense) -> dense_1 (Dense)", "dense (Dense) -> add",
                                   "dense_1 (Dense) -> dense_2 (Dense)", "dense_2 (Dense) -> add",
                                   "add -> dropout (Dropout)", "dropout (Dropout) -> dense_3 (Dense)",
                                   "dense_3 (Dense) -> dense_3 (Dense)", "dense_3 (Dense) -> multiply"});
}

TEST_CASE("options") {
  nn::reset_names();
  nn::Sequential model{nn::Dense(2), nn::Dense(3)};
  model.build({4});
  model.layers()[0]->set_trainable(false);
  const Read r(nn::model_svg(model, {.show_shapes = false,
                                     .show_dtype = true,
                                     .show_layer_names = false,
                                     .show_params = false,
                                     .show_trainable = true,
                                     .rankdir = "LR"}));
  REQUIRE(r.boxes.size() == 3);
  CHECK(r.boxes[0].lines == std::vector<std::string>{"input", "f32"});
  CHECK(r.boxes[1].lines == std::vector<std::string>{"Dense", "f32", "frozen"});
  CHECK(r.boxes[2].lines == std::vector<std::string>{"Dense", "f32", "trainable"});
  CHECK(r.boxes[0].x < r.boxes[1].x);
  CHECK(r.boxes[1].x < r.boxes[2].x);
}

TEST_CASE("plotting changes nothing in the model and leaves no trace on tapes") {
  Net net;
  const Tensor x = ones({2, 3});
  net(x);
  const auto before = net.variables();
  std::vector<Tensor> values;
  for (auto& v : before) values.push_back(v.value());
  GradientTape tape;
  const Tensor y = net(x);
  nn::model_svg(net);
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(array_equal(before[i].value(), values[i]));
  CHECK(net.variables().size() == before.size());
  CHECK(tape.gradient(sum(y), before[0]).defined());
}

TEST_CASE("files, and hostile names") {
  TempFolder folder;
  nn::Sequential model({nn::Dense(2, {.name = "<script>alert(1)</script>&"})}, "a<b>\"c\"");
  model.build({4});
  nn::plot_model(model, folder / "m.svg");
  nn::plot_model(model, folder / "m.html");
  CHECK(folder.count() == 2);
  for (auto name : {"m.svg", "m.html"}) {
    const std::string text = files::bytes_of(folder / name);
    CHECK(text.find("<script") == std::string::npos);
    CHECK(text.find("&lt;script&gt;alert(1)&lt;/script&gt;&amp; (Dense)") != std::string::npos);
    CHECK(text.find("a<b>") == std::string::npos);
  }
  CHECK(files::bytes_of(folder / "m.svg").starts_with("<svg "));
  CHECK(files::bytes_of(folder / "m.html").starts_with("<!DOCTYPE html>"));
}

TEST_CASE("errors") {
  TempFolder folder;
  nn::Sequential model({nn::Dense(2)}, "mine");
  CHECK(error_of<UsageError>([&] { nn::plot_model(model, folder / "m.svg"); }) ==
        "plot_model: mine is not built. Call it once, or give the shape of an example: model.build({28, 28, 1}).");
  model.build({4});
  CHECK(error_of<UsageError>([&] { nn::plot_model(model, folder / "m.png"); }) ==
        "plot_model: the path must end in .svg or .html, got \"" + folder / "m.png" + "\".");
  CHECK(error_of<UsageError>([&] { nn::model_svg(model, {.rankdir = "BT"}); }) ==
        "plot_model: rankdir must be \"TB\" or \"LR\", got \"BT\".");
  CHECK(error_of<FileError>([&] {
          nn::plot_model(model, folder / "no/m.svg");
        }).starts_with("plot_model: " + folder / "no/m.svg" + ": cannot be written"));
  struct Reads : nn::Model {
    Reads() : nn::Model("reads") {}
    Tensor call(const Tensor& x, bool) override { return x * sum(x).item<float>(); }
  } reads;
  reads(ones({2, 2}));
  const std::string error = error_of<UsageError>([&] { nn::model_svg(reads); });
  CHECK(error.starts_with("plot_model: reads cannot be traced. "));
  CHECK(error.find("_test.cpp") == std::string::npos);  // the place is named once
}
