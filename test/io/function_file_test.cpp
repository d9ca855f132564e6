// Functions to a file and back.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

using namespace tapir;

namespace {

struct Folder {
  std::filesystem::path path;
  Folder()
      : path(std::filesystem::temp_directory_path() / ("tapir_function_" + std::to_string(std::random_device{}()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
};

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

// The header with `from` replaced; the length in front is put right.
std::string with(const std::string& file, const std::string& from, const std::string& to) {
  std::uint64_t n;
  std::memcpy(&n, file.data(), 8);
  std::string header = file.substr(8, n), data = file.substr(8 + n);
  const auto at = header.find(from);
  REQUIRE(at != std::string::npos);
  header.replace(at, from.size(), to);
  n = header.size();
  return std::string(reinterpret_cast<const char*>(&n), 8) + header + data;
}

template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const FileError& e) {
    std::string s = e.what();
    return s.substr(s.find(' ') + 1);
  }
  return "nothing thrown";
}

}  // namespace

TEST_CASE("values, gradients, several traces, names") {
  Folder folder;
  Variable w(random::normal({4, 3}, {.seed = 1}), "layer/w");
  auto predict = function([&](const Tensor& x) { return std::pair(softmax(matmul(x, w)), x * 2.0); });
  auto scale = function([&](const Tensor& x) { return sum(x * w.value()) + ones({3}); },
                        {.signature = {TensorSpec({unknown, 1, 1}, DType::f32)}});
  Tensor a = random::normal({2, 4}, {.seed = 2}), b = random::normal({5, 4}, {.seed = 3}),
         c = random::normal({3, 1, 1}, {.seed = 4});
  auto [y, twice] = predict(a);
  predict(b);
  Tensor s = scale(c);
  save_functions(folder / "f.tapir", {{"predict", predict}, {"scale", scale}});
  CHECK(io::contains(io::load_safetensors(folder / "f.tapir"), "layer/w"));

  auto loaded = load_functions(folder / "f.tapir");
  REQUIRE(loaded.size() == 2);
  LoadedFunction p = loaded["predict"];
  CHECK(p.signatures().size() == 2);
  auto out = p({a});
  REQUIRE(out.size() == 2);
  CHECK(allclose(out[0], y, {.rtol = 0, .atol = 0}));
  CHECK(allclose(out[1], twice, {.rtol = 0, .atol = 0}));
  CHECK(allclose(loaded["scale"]({c})[0], s, {.rtol = 0, .atol = 0}));
  CHECK(loaded["scale"]({ones({7, 1, 1})})[0].shape() == Shape({3}));
  REQUIRE(p.variables().size() == 1);
  CHECK(p.variables()[0].name() == "layer/w");
  CHECK(p.variables()[0] == loaded["scale"].variables()[0]);  // shared, as it was

  GradientTape tape;
  Tensor loss = sum(square(p({a})[0])), mine;
  Tensor g = tape.gradient(loss, p.variables()[0]);
  GradientTape again;
  mine = sum(square(predict(a).first));
  CHECK(allclose(g, again.gradient(mine, w)));

  CHECK_THROWS_WITH_AS(load_function(folder / "f.tapir"),
                       doctest::Contains("say which function. It has predict, scale."), UsageError);
  CHECK_THROWS_WITH_AS(p({ones({9, 4})}), doctest::Contains("it takes (f32[5, 4]) or (f32[2, 4]), got (f32[9, 4])."),
                       UsageError);
  auto untraced = function([](const Tensor& x) { return x; });
  CHECK_THROWS_WITH_AS(untraced.save(folder / "g.tapir"),
                       doctest::Contains("has no trace yet. Call it once, then save it."), UsageError);
  CHECK_FALSE(std::filesystem::exists(folder / "g.tapir"));
}

TEST_CASE("a training step goes on where it stopped, bit for bit") {
  Folder folder;
  nn::Sequential model{nn::Conv2D(4, {3, 3}, {.activation = "relu", .seed = 1}), nn::Flatten(), nn::Dropout(0.3),
                       nn::Dense(3, {.seed = 2})};
  model.build({8, 8, 1});
  optim::Adam adam({.learning_rate = 1e-2});
  auto step = function([&](const Tensor& x, const Tensor& y) {
    GradientTape tape;
    Tensor loss = nn::sparse_categorical_crossentropy(y, model(x, {.training = false}), {.from_logits = true});
    adam.apply_gradients(tape.gradient(loss, model.trainable_variables()), model.trainable_variables());
    return loss;
  });
  Tensor x = random::normal({6, 8, 8, 1}, {.seed = 3}), y = random::integers({6}, 0, 3, {.seed = 4});
  for (int i = 0; i < 3; ++i) step(x, y);
  step.save(folder / "step.tapir");
  LoadedFunction loaded = load_function(folder / "step.tapir");
  for (int i = 0; i < 4; ++i) CHECK(loaded({x, y})[0].item<float>() == step(x, y).item<float>());
}

TEST_CASE("control flow in a file") {
  Folder folder;
  auto f = function([](const Tensor& x) {
    Tensor y = for_loop(
        0, 12, [&](const Tensor& i, const Tensor& t) { return t * 0.5 + x + i.astype(DType::f32); }, x);
    return cond(
        sum(y) > 0, [&] { return y; }, [&] { return -y; });
  });
  Tensor x = random::normal({3}, {.seed = 1}), y = f(x);
  f.save(folder / "loop.tapir");
  CHECK(allclose(load_function(folder / "loop.tapir")({x})[0], y, {.rtol = 0, .atol = 0}));
}

TEST_CASE("damaged and hostile files are refused") {
  Folder folder;
  auto f = function([](const Tensor& x) { return sum(exp(x) * tensor({1.0f, 2.0f}), {.axis = 0}); });
  f(ones({3, 2}));
  const std::string path = folder / "f.tapir", broken = folder / "broken.tapir";
  f.save(path);
  const std::string good = read(path);
  for (std::size_t n = 0; n < good.size(); n += 7) {
    write(broken, good.substr(0, n));
    CHECK(message([&] { load_function(broken); }) != "nothing thrown");
  }
  auto refused = [&](const std::string& from, const std::string& to, const std::string& why) {
    write(broken, with(good, from, to));
    const std::string m = message([&] { load_function(broken); });
    CHECK_MESSAGE(m.find(why) != std::string::npos, m);
  };
  refused("\\\"op\\\":\\\"exp\\\"", "\\\"op\\\":\\\"explode\\\"", "operation \"explode\" is not known to this version");
  refused("\\\"version\\\":1", "\\\"version\\\":99", "version 99 of the format");
  refused("\\\"in\\\":[0]", "\\\"in\\\":[3]", "is damaged");
  refused("\\\"in\\\":[0]", "\\\"in\\\":[77]", "value 77 does not exist");
  refused("\\\"in\\\":[0]", "\\\"in\\\":[-1]", "value -1 does not exist");
  refused("\\\"shape\\\":[3,2]", "\\\"shape\\\":[3,9007199254740993,9007199254740993]", "too large");
  refused("\\\"shape\\\":[3,2]", "\\\"shape\\\":[4,2]", "is damaged");
  refused("\\\"axes\\\":[0]", "\\\"axes\\\":[5]", "is damaged");
  refused("\\\"axes\\\":", "\\\"exes\\\":", "attribute \"axes\" is missing");
  refused("\\\"arguments\\\":1", "\\\"arguments\\\":2", "\"arguments\" is 2, out of range");
  refused("\\\"functions\\\"", "\\\"factions\\\"", "\"functions\" is missing");
}
