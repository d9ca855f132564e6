// `tapir graph`: what is in the drawing of a saved function.
#include <tapir/command/files.h>
#include <tapir/command/saved_graph.h>
#include <tapir/io/safetensors.h>
#include <tapir/tapir.h>
#include <tapir/test/command/shell.h>

#include <doctest/doctest.h>

#include <algorithm>

using namespace tapir;
using look::Drawing;
using shell::Folder;

static std::string graph_of(const std::string& file) {
  for (auto& [key, text] : io::load_safetensors_metadata(file))
    if (key == "tapir") return text;
  return "";
}

static const look::Box* find(const Drawing& d, const std::string& title) {
  auto it = std::find_if(d.boxes.begin(), d.boxes.end(), [&](auto& b) { return b.lines[0] == title; });
  return it == d.boxes.end() ? nullptr : &*it;
}
static bool has_line(const look::Box& b, const std::string& text) {
  return std::any_of(b.lines.begin(), b.lines.end(), [&](auto& l) { return l == text; });
}

TEST_CASE("Operations with shapes and dtypes, named variables, arguments and results") {
  Folder f;
  Variable w(ones({3, 2}), "layer/kernel"), count(Tensor(0.0f), "count");
  auto net = function(
      [&](Tensor x) {
        count.assign_add(Tensor(1.0f));
        return relu(matmul(x, w)) * 2.5f;
      },
      {.signature = {TensorSpec{{unknown, 3}, DType::f32}}});
  net(ones({4, 3}));
  const std::string file = (f / "net.safetensors").string();
  net.save(file);

  const auto all = command::drawings_of(graph_of(file), "");
  REQUIRE(all.size() == 1);
  const Drawing& d = all[0];
  CHECK(d.title == "function(f32[?, 3])");
  REQUIRE(find(d, "argument 0"));
  CHECK(has_line(*find(d, "argument 0"), "f32[?, 3]"));
  REQUIRE(find(d, "matmul"));
  CHECK(has_line(*find(d, "matmul"), "layer/kernel: f32[3, 2]"));
  CHECK(has_line(*find(d, "matmul"), "\u2192 f32[?, 2]"));
  REQUIRE(find(d, "result 0"));
  REQUIRE(find(d, "count ="));
  CHECK(find(d, "count =")->kind == "weight");
  CHECK(d.links.size() == 5);  // argument -> matmul -> relu -> multiply -> result, add -> count

  const auto r = f.run(
      "tapir graph net.safetensors && tapir graph net.safetensors -o net.svg && tapir graph net.safetensors -o - | "
      "tail -1");
  CHECK(r.status == 0);
  CHECK(r.out.find("net.html: 1 graph, 7 boxes\nnet.svg: 1 graph, 7 boxes\n") == 0);
  CHECK(r.out.find("</html>") != std::string::npos);
  const std::string page = shell::read(f / "net.html");
  CHECK(page.find(">constant 2.5</text>") != std::string::npos);
  CHECK(page.find("layer/kernel: f32[3, 2]</text>") != std::string::npos);
  CHECK(page.find("http") == page.find("http://www.w3.org/2000/svg"));  // a name, not a place; nothing else is fetched
  CHECK(page.find("src=") == std::string::npos);
  CHECK(shell::read(f / "net.svg").find("layer/kernel: f32[3, 2]</text>") != std::string::npos);
}

TEST_CASE("Bodies of control flow are graphs of their own; one function of several can be named") {
  Folder f;
  auto loop = function([](Tensor x) {
    return while_loop([](const Tensor& v) { return sum(v) < 100.0f; }, [](const Tensor& v) { return v * 2.0f; }, x);
  });
  auto add = function([](Tensor x) { return x + 1.0f; });
  loop(ones({2}));
  add(ones({2}));
  const std::string file = (f / "two.safetensors").string();
  save_functions(file, {{"loop", loop}, {"add", add}});
  const auto all = command::drawings_of(graph_of(file), "");
  CHECK(all.size() == 4);  // loop, add, and the condition and the body
  CHECK(command::drawings_of(graph_of(file), "add").size() == 1);
  const auto r = f.run("tapir graph two.safetensors -n nope");
  CHECK(r.status == 1);
  CHECK(r.err == "tapir: graph: there is no function 'nope'. It has loop, add.\n");
}

TEST_CASE("What is no saved function is said in one line") {
  Folder f;
  io::save_safetensors((f / "weights.safetensors").string(), {{"w", ones({2})}});
  CHECK(f.run("tapir graph weights.safetensors").err ==
        "tapir: graph: weights.safetensors holds tensors, but no graph. Function::save and save_functions write one; "
        "Model::save does not.\n");
  CHECK(f.run("tapir graph nothere").status == 1);
  io::save_safetensors((f / "bad.safetensors").string(), {{"w", ones({2})}},
                       {{"tapir", R"({"version": 1, "functions": {"f": [7]}, "graphs": []})"}});
  const auto bad = f.run("tapir graph bad.safetensors");
  CHECK(bad.status == 1);
  CHECK(bad.err.find("tapir: graph: the file is damaged, or no function of tapir") == 0);
  CHECK(f.run("tapir graph bad.safetensors -o x.png").status == 1);
}
