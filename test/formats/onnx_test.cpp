// ONNX models: files of real exporters, what is written here and read again, training on, errors, damaged files.
#include <tapir/test/formats/onnx_models.h>
#include <tapir/test/io/files.h>

#include <tapir/io/protobuf.h>

using namespace tapir;
using namespace files;
namespace fs = std::filesystem;

namespace {

using tapir::detail::Proto;

std::string here(const std::string& name) { return source_path("test/formats/" + name); }

// The largest difference, relative to the largest value.
double difference(const std::vector<Tensor>& got, const std::vector<Tensor>& want) {
  REQUIRE(got.size() == want.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    REQUIRE(got[i].shape() == want[i].shape());
    REQUIRE(got[i].dtype() == want[i].dtype());
    const Tensor a = got[i].astype(DType::f64), b = want[i].astype(DType::f64);
    worst = std::max(worst, max(abs(a - b)).item<double>() / max(abs(b)).item<double>());
  }
  return worst;
}

std::vector<Tensor> results_of(const std::string& name) {
  std::vector<Tensor> out;
  for (int i = 0;; ++i) {
    const fs::path file = here("onnx_files/" + name + ".output_" + std::to_string(i) + ".npy");
    if (!fs::exists(file)) return out;
    out.push_back(io::load_npy(file));
  }
}

// ---- models by hand

Proto value_info(const std::string& name, int type, std::initializer_list<std::int64_t> dims) {
  Proto shape, tensor, kind, info;
  for (auto d : dims) shape.message(1, Proto().integer(1, d));
  tensor.integer(1, type).message(2, shape);
  kind.message(1, tensor);
  return info.text(1, name).message(2, kind);
}
std::string model_with(const Proto& graph, int opset = 17) {
  Proto version, model;
  version.text(1, "").integer(2, opset);
  return model.integer(1, 8).message(7, graph).message(8, version).bytes();
}
Proto node(const std::string& op, std::initializer_list<const char*> in, const char* out) {
  Proto n;
  for (auto* i : in) n.text(1, i);
  return n.text(2, out).text(3, "n").text(4, op);
}
// y = x + w, w in another file.
std::string with_external(const std::string& location, const std::string& offset) {
  auto entry = [](const std::string& key, const std::string& value) { return Proto().text(1, key).text(2, value); };
  Proto w, graph;
  w.integer(1, 2)
      .integer(2, 1)
      .text(8, "w")
      .message(13, entry("location", location))
      .message(13, entry("offset", offset));
  w.integer(14, 1);
  graph.message(1, node("Add", {"x", "w"}, "y")).message(5, w);
  return model_with(graph.message(11, value_info("x", 1, {2})).message(12, value_info("y", 1, {2})));
}

}  // namespace

TEST_CASE("models that PyTorch exported predict what PyTorch predicts: eager, traced, as a function file") {
  const TempFolder folder;
  for (const std::string name : {"torch_images_script", "torch_images_dynamo", "torch_sequences_script"}) {
    CAPTURE(name);
    const auto model = onnx::load(here("onnx_files/" + name + ".onnx"));
    const std::vector<Tensor> in{io::load_npy(here("onnx_files/" + name + ".input_0.npy"))}, want = results_of(name);
    CHECK(difference(model(in), want) < 1e-5);
    auto f = function([&](const std::vector<Tensor>& xs) { return model(xs); });
    CHECK(difference(f(in), want) < 1e-5);
    f.save(folder / "f.tapir");
    CHECK(difference(load_function(folder / "f.tapir")(in), want) < 1e-5);
  }
}

TEST_CASE("what is saved comes back the same, also for another batch") {
  const TempFolder folder;
  for (auto& c : onnx_models::all()) {
    CAPTURE(c.name);
    const std::string path = folder / "m.onnx";
    onnx_models::save(c, path);
    const auto model = onnx::load(path);
    CHECK(difference(model(c.inputs), c.run(c.inputs)) < 1e-5);
    if (c.signature[0].shape[0] != unknown) continue;
    CHECK(model.inputs()[0].shape[0] == unknown);
    const std::vector<Tensor> more{concat({c.inputs[0], c.inputs[0], c.inputs[0]})};
    CHECK(difference(model(more), c.run(more)) < 1e-5);
  }
}

TEST_CASE("a model's weights train on, eager and traced, and go out again") {
  const TempFolder folder;
  const auto model = onnx::load(here("onnx_files/torch_images_script.onnx"), {.trainable = true});
  std::vector<Variable> weights;
  int fixed = 0;
  for (auto& w : model.weights()) weights.push_back(w.variable), fixed += !w.variable.trainable();
  CHECK(weights.size() >= 8);
  CHECK(fixed == 0);
  const Tensor x = io::load_npy(here("onnx_files/torch_images_script.input_0.npy")), wanted = ones({2, 5});
  auto loss = [&] { return mean(square(model({x})[0] - wanted)); };
  auto step = function([&] {
    GradientTape tape;
    const Tensor now = loss();
    const auto gradients = tape.gradient(now, weights);
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i].assign_sub(gradients[i] * 0.1);
    return now;
  });
  const float before = loss().item<float>();
  for (int i = 0; i < 100; ++i) step();
  const float after = loss().item<float>();
  CHECK(after < 0.2f * before);
  auto f = function([&](const Tensor& t) { return model({t})[0]; });
  onnx::save(folder / "on.onnx", f.get_concrete({TensorSpec({2, 2, 8, 8})}), {.inputs = {"x"}, .outputs = {"y"}});
  const auto again = onnx::load(folder / "on.onnx");
  CHECK(difference(again({x}), model({x})) < 1e-5);
  CHECK(again(io::NamedTensors{{"x", x}})[0].first == "y");
}

TEST_CASE("a model says what it takes, and errors say what is wrong") {
  const TempFolder folder;
  const fs::path file = here("onnx_nodes/test_add_bcast/model.onnx");
  const auto model = onnx::load(file);
  CHECK(model.inputs()[1].name == "y");
  CHECK(model.inputs()[1].shape == Shape{5});
  CHECK(model.outputs()[0].dtype == DType::f32);
  const Tensor x = ones({3, 4, 5});
  CHECK(error_of<Error>([&] { model({x}); }) == "onnx: the model takes 2 inputs, got 1. They are: \"x\", \"y\".");
  CHECK(error_of<Error>([&] {
          model({x, ones({5}, DType::f64)});
        }) == "onnx: input \"y\" is f64, the model takes f32. Cast it: x.astype(DType::f32).");
  CHECK(error_of<Error>([&] { model({x, ones({4})}); }) == "onnx: input \"y\" is [4], the model takes [5].");
  CHECK(error_of<Error>([&] {
          model(io::NamedTensors{{"z", x}});
        }) == "onnx: \"z\" is no input of the model. They are: \"x\", \"y\".");
  CHECK(error_of<Error>([] { onnx::load("nowhere.onnx"); }).starts_with("onnx::load: nowhere.onnx: cannot be opened"));
  auto parsed = [](const Proto& graph, int opset = 17) {
    return error_of<Error>([&] { onnx::parse(model_with(graph, opset)); });
  };
  CHECK(parsed(Proto().message(1, node("Nonsense", {}, "a")).message(1, node("Fft2", {}, "b"))) ==
        "onnx::parse: model: has operators that are not supported: Fft2, Nonsense (opset 17).");
  CHECK(parsed(Proto(), 99) == "onnx::parse: model: asks for opset 99; 1 to 21 are supported.");
  // A circle: each reads what the other makes.
  CHECK(parsed(Proto().message(1, node("Abs", {"b"}, "a")).message(1, node("Abs", {"a"}, "b"))) ==
        "onnx::parse: model: Abs \"n\" reads \"b\", which no node before it makes.");
  auto sorted = function([](const Tensor& t) { return sort(t); });
  CHECK(error_of<Error>([&] { onnx::save(folder / "s.onnx", sorted.get_concrete({TensorSpec({3})})); }) ==
        "onnx::save: no way to write: sort.");
  CHECK_FALSE(fs::exists(folder / "s.onnx"));
}

TEST_CASE("weights in other files must lie beside the model and be whole") {
  const TempFolder folder;
  const float two[] = {10, 20};
  write_bytes(folder / "w.bin", std::string("....") + std::string(reinterpret_cast<const char*>(two), 8));
  auto load = [&](const std::string& location, const std::string& offset) {
    write_bytes(folder / "e.onnx", with_external(location, offset));
    return onnx::load(folder / "e.onnx");
  };
  CHECK(load("w.bin", "4")({tensor({1.f, 2.f})})[0].to_vector<float>() == std::vector<float>{11, 22});
  const std::string name = "onnx::load: " + folder / "e.onnx";
  CHECK(error_of<Error>([&] { load("../w.bin", "4"); }) ==
        name + ": tensor \"w\" lies in \"../w.bin\", which is not beside the model.");
  CHECK(error_of<Error>([&] { load("/etc/passwd", "0"); }) ==
        name + ": tensor \"w\" lies in \"/etc/passwd\", which is not beside the model.");
  CHECK(error_of<Error>([&] { load("w.bin", "5"); }).find("ends at byte 13, the file at 12.") != std::string::npos);
  CHECK(error_of<Error>([&] { load("w.bin", "18446744073709551615"); }).find("of a file.") != std::string::npos);
  CHECK(error_of<Error>([&] { onnx::parse(with_external("w.bin", "4")); }) ==
        "onnx::parse: model: tensor \"w\" lies in another file, which cannot be read from here.");
}

TEST_CASE("damaged models are refused or read, and do no harm") {
  int refused = 0;
  auto attempt = [&](const std::string& bytes) {
    try {
      onnx::parse(bytes);
    } catch (const Error&) {
      ++refused;
    }
  };
  for (const char* name : {"onnx_nodes/test_loop11", "onnx_nodes/test_if", "onnx_nodes/test_lstm_with_peepholes"}) {
    const std::string whole = bytes_of(here(name + std::string("/model.onnx")));
    for (std::size_t n = 0; n < whole.size(); ++n) attempt(whole.substr(0, n));
    std::mt19937 random(1);
    for (int i = 0; i < 3000; ++i) {
      std::string bad = whole;
      for (int k = 0; k < 1 + i % 3; ++k) bad[random() % bad.size()] = char(random());
      attempt(bad);
    }
  }
  CHECK(refused > 1000);
  // A tensor of 2^62 elements in a few bytes, and graphs within graphs.
  Proto huge;
  huge.integer(1, std::int64_t(1) << 31).integer(1, std::int64_t(1) << 31).integer(2, 1).text(8, "w").text(9, "....");
  CHECK(error_of<Error>([&] { onnx::parse(model_with(Proto().message(5, huge))); }).find("tensor \"w\"") !=
        std::string::npos);
  Proto deep;
  for (int i = 0; i < 1000; ++i) {
    Proto attribute, n;
    attribute.text(1, "body").message(6, deep);
    deep = Proto().message(1, n.text(4, "Loop").message(5, attribute));
  }
  CHECK(error_of<Error>([&] { onnx::parse(model_with(deep)); }) ==
        "onnx::parse: model: has graphs within graphs, more than 32 deep.");
}

TEST_CASE("docs/moving_models.md names the operators that are read and the operations that are written") {
  const std::string page = bytes_of(source_path("docs/moving_models.md"));
  auto listed = [&](const std::string& heading) {
    const auto at = page.find(heading);
    REQUIRE(at != std::string::npos);
    return page.substr(at, page.find("\n### ", at + 1) - at);
  };
  const std::string read = listed("### Operators that are read"), written = listed("### Operations that are written");
  std::string names;
  for (auto& o : onnx::operators()) {
    std::string name = o.name;
    if (o.since > 1 || o.until)
      name += " (" + std::to_string(o.since) + (o.until ? " to " + std::to_string(o.until) : "+") + ")";
    names += (names.empty() ? "" : ", ") + name;
  }
  auto unbroken = [](std::string s) {
    for (auto& c : s)
      if (c == '\n') c = ' ';
    return s;
  };
  CHECK_MESSAGE(unbroken(read).find(names + ".") != std::string::npos, "the page should say: " << names << ".");
  names.clear();
  for (auto& o : onnx::saved_operations()) names += (names.empty() ? "" : ", ") + o;
  CHECK_MESSAGE(unbroken(written).find(names + ".") != std::string::npos, "the page should say: " << names << ".");
}
