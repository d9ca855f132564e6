// What a profile records, and what it does not; the trace as JSON; the tables.
#include <tapir/tapir.h>
#include <tapir/test/io/files.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

using namespace tapir;
using files::error_of;
using files::TempFolder;

namespace {

std::vector<ProfileEvent> ops(std::vector<ProfileEvent> events) {
  std::erase_if(events, [](auto& e) { return e.kind != "op"; });
  return events;
}
const ProfileEvent& only(const std::vector<ProfileEvent>& events, const std::string& name) {
  const auto is = [&](auto& e) { return e.name == name; };
  REQUIRE_MESSAGE(std::count_if(events.begin(), events.end(), is) == 1, name);
  return *std::find_if(events.begin(), events.end(), is);
}
std::string line(int n) { return "profile_test.cpp:" + std::to_string(n); }

}  // namespace

TEST_CASE("eager operations: names, shapes, lines, bytes, flops") {
  const Tensor a = ones({8, 16}), b = ones({16, 4}, DType::f32);
  Profile profile;
  const Tensor c = matmul(a, b);
  const int at = __LINE__ - 1;
  const Tensor d = c + 1.0f, e = broadcast_to(tensor({1.0f, 2.0f, 3.0f, 4.0f}), {8, 4}) * c;
  exp(c) + d;  // the temporary lends its memory; it is an operation all the same
  profile.stop();
  const Tensor f = c - d;  // not recorded
  const std::vector<ProfileEvent> events = profile.events();

  const ProfileEvent& product = only(events, "matmul");
  CHECK(product.kind == "op");
  CHECK(product.line == line(at));
  CHECK(product.inputs == std::vector<TensorSpec>{{{8, 16}}, {{16, 4}}});
  CHECK(product.outputs == std::vector<TensorSpec>{{{8, 4}}});
  CHECK(product.flops == 2 * 8 * 16 * 4);
  CHECK(product.bytes == 4 * (8 * 16 + 16 * 4 + 8 * 4));
  CHECK(product.thread == 1);
  CHECK(product.seconds > 0);
  CHECK(product.start >= 0);
  CHECK(product.own_seconds == product.seconds);
  const Roof roof = profile.roof();
  CHECK(product.share ==
        doctest::Approx(std::max(product.flops / roof.flops, product.bytes / roof.bandwidth) / product.seconds));

  const ProfileEvent& times = only(events, "multiply");
  CHECK(times.bytes == 4 * (4 + 32 + 32));  // of what is broadcast, what is there
  CHECK(times.flops == 0);
  CHECK(std::count_if(events.begin(), events.end(), [](auto& x) { return x.name == "add"; }) == 2);
  CHECK(events.back().name == "add");
  CHECK(std::none_of(events.begin(), events.end(), [](auto& x) { return x.name == "subtract"; }));
  for (std::size_t i = 1; i < events.size(); ++i) CHECK(events[i].start >= events[i - 1].start);
}

TEST_CASE("flops of convolutions and of their gradients are those of the direct sum") {
  const Tensor x = ones({2, 9, 9, 4}), kernel = ones({3, 3, 2, 6});
  const ConvOptions options{.strides = {2, 2}, .groups = 2};  // gives 4 x 4
  std::vector<ProfileEvent> events;
  {
    Profile profile;
    GradientTape tape;
    tape.watch(x), tape.watch(kernel);
    tape.gradient(sum(conv2d(x, kernel, options)), std::vector<Tensor>{x, kernel});
    events = profile.events();
  }
  const double wanted = 2.0 * 2 * 4 * 4 * 6 * (3 * 3 * 2);
  for (auto name : {"conv", "conv_input_gradient", "conv_kernel_gradient"}) CHECK(only(events, name).flops == wanted);
  const ProfileEvent& gradient = only(events, "gradient");
  CHECK(gradient.kind == "tape");
  CHECK(only(events, "conv").depth == 0);
  CHECK(only(events, "conv_kernel_gradient").depth == 1);
}

TEST_CASE("operations of a function: groups with what they hold, each with its own line") {
  Variable w(ones({32, 16}), "w");
  int product = 0;
  auto layer = function(
      [&](const Tensor& x) {
        product = __LINE__ + 1;
        Tensor y = matmul(x, w);
        return relu(y * 2.0f + 1.0f);
      },
      {.name = "layer"});
  for (const std::int64_t rows : {64, 65536}) {  // the product of the many runs what follows on its pieces
    const Tensor x = ones({rows, 32});
    layer(x);
    std::vector<ProfileEvent> events;
    {
      Profile profile;
      for (int i = 0; i < 3; ++i) layer(x);
      events = profile.events();
    }
    CHECK(std::count_if(events.begin(), events.end(),
                        [](auto& e) { return e.kind == "function" && e.name == "layer" && e.depth == 0; }) == 3);
    const auto inside = ops(events);
    const bool joined = rows > 64;
    REQUIRE(inside.size() == (joined ? 3 : 6));
    const ProfileEvent &first = inside[0], &last = inside[joined ? 0 : 1];
    CHECK(first.name == (joined ? "matmul_then" : "matmul"));
    CHECK(first.line == line(product));
    CHECK(first.flops == 2.0 * double(rows) * 32 * 16);
    CHECK(first.depth == 1);
    CHECK(first.inputs[0] == TensorSpec({rows, 32}));
    CHECK(last.fused == "multiply, add, relu");
    CHECK(last.outputs == std::vector<TensorSpec>{{{rows, 16}}});
  }
}

TEST_CASE("tracing and optimising have scopes; control flow has") {
  Profile profile;
  auto f = function(
      [](const Tensor& x) {
        return cond(
            sum(x) > 0.0f, [&] { return x * 2.0f; }, [&] { return x - 1.0f; });
      },
      {.name = "f"});
  f(ones({3}));
  const auto events = profile.events();
  CHECK(std::any_of(events.begin(), events.end(), [](auto& e) { return e.kind == "trace" && e.name == "f"; }));
  CHECK(std::any_of(events.begin(), events.end(), [](auto& e) { return e.kind == "optimise" && e.name == "f"; }));
  CHECK(only(events, "switch").kind == "control flow");
  CHECK(only(events, "multiply").depth > only(events, "switch").depth);
}

TEST_CASE("scopes and layers lie in one another, and own time is what is left") {
  nn::Sequential model{nn::Dense(4), nn::Dense(2)};
  model.build({3});
  const Tensor x = ones({5, 3});
  Profile profile;
  {
    ProfileScope outer("outer");
    ProfileScope inner("inner");
    model(x);
  }
  const auto events = profile.events();
  const ProfileEvent &outer = only(events, "outer"), &inner = only(events, "inner");
  CHECK(outer.kind == "scope");
  CHECK(outer.depth == 0);
  CHECK(inner.depth == 1);
  CHECK(outer.seconds >= inner.seconds);
  CHECK(outer.own_seconds == doctest::Approx(outer.seconds - inner.seconds));
  double own = 0;
  for (auto& e : events) own += e.own_seconds;
  CHECK(own == doctest::Approx(outer.seconds));
  CHECK(std::count_if(events.begin(), events.end(), [](auto& e) { return e.kind == "layer"; }) == 3);
}

TEST_CASE("halves: the casts around a kernel lie within it") {
  const Tensor x = ones({2, 4, 4, 1}, DType::f16), kernel = ones({3, 3, 1, 1}, DType::f16);
  Profile profile;
  conv2d(x, kernel);
  const auto events = profile.events();
  const ProfileEvent& conv = only(events, "conv");
  CHECK(conv.inputs[0].dtype == DType::f16);
  CHECK(std::count_if(events.begin(), events.end(), [](auto& e) { return e.name == "astype" && e.depth == 1; }) >= 2);
  CHECK(conv.own_seconds < conv.seconds);
}

TEST_CASE("threads, each with its number") {
  const Tensor x = ones({4});
  std::vector<ProfileEvent> events;
  {
    Profile profile;
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t < 3; ++t)
        threads.emplace_back([&] {
          for (int i = 0; i < 50; ++i) x + x;
        });
    }
    events = ops(profile.events());
  }
  CHECK(events.size() == 150);
  std::map<int, int> count;
  for (auto& e : events) ++count[e.thread];
  CHECK(count == std::map<int, int>{{1, 50}, {2, 50}, {3, 50}});
}

TEST_CASE("profiles that start and stop while others compute") {
  const Tensor x = ones({64});
  std::atomic<bool> over{false};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      while (!over) {
        ProfileScope scope("loop");
        exp(x) + x;
      }
    });
  for (int i = 0; i < 200; ++i) {
    Profile profile;
    x + x;
    profile.stop();
  }
  over = true;
}

TEST_CASE("an operation that throws, and one that never ran") {
  Profile profile;
  CHECK_THROWS_AS(matmul(ones({2, 3}), ones({2, 3})), ShapeError);
  auto f = function([](const Tensor& x) {
    check(all(x > 0.0f), "positive");
    return x;
  });
  CHECK_THROWS_AS(f(zeros({2})), UsageError);
  ones({3}) + 1.0f;
  const auto events = profile.events();
  for (auto& e : events) CHECK(e.name != "matmul");
  CHECK(events.back().name == "add");
  CHECK(events.back().depth == 0);
}

TEST_CASE("no more events than asked for") {
  const Tensor x = ones({4});
  Profile profile("", {.max_events = 10});
  for (int i = 0; i < 25; ++i) x + x;
  CHECK(profile.events().size() == 10);
  CHECK(profile.summary().find("15 more events were not kept") != std::string::npos);
}

TEST_CASE("one at a time; a second may follow") {
  {
    Profile first;
    CHECK(error_of<UsageError>([] { Profile second; }) == "profile: another profile runs. There can be one at a time.");
    ones({2}) + 1.0f;
    CHECK(ops(first.events()).size() == 1);
    Profile second;
    CHECK(second.events().empty());
  }
  Profile third;
  CHECK(third.summary().find("(nothing)") != std::string::npos);
}

TEST_CASE("the Chrome trace is JSON, with all that the issue asks for, and names stay text") {
  TempFolder folder;
  const std::string path = folder / "trace.json";
  {
    Profile profile(path);
    CHECK_FALSE(std::filesystem::exists(path));
    ProfileScope scope("a \"quoted\" \\ <b> \xff name\n");
    matmul(ones({4, 4}), ones({4, 4}));
  }
  CHECK(folder.count() == 1);  // no temporary file is left
  const auto trace = nlohmann::json::parse(files::bytes_of(path));
  std::vector<nlohmann::json> found;
  for (auto& e : trace["traceEvents"])
    if (e["ph"] == "X") found.push_back(e);
  CHECK(found[0]["name"] == "a \"quoted\" \\ <b> \uFFFD name\n");
  CHECK(found[0]["cat"] == "scope");
  const auto is = [](auto& e) { return e["name"] == "matmul"; };
  const auto product = *std::find_if(found.begin(), found.end(), is);
  CHECK(product["cat"] == "op");
  CHECK(product["tid"] == 1);
  CHECK(product["dur"].get<double>() > 0);
  CHECK(product["ts"].get<double>() >= found[0]["ts"].get<double>());
  CHECK(product["args"]["in"] == nlohmann::json{"f32[4, 4]", "f32[4, 4]"});
  CHECK(product["args"]["out"] == nlohmann::json{"f32[4, 4]"});
  CHECK(product["args"]["bytes"] == 192);
  CHECK(product["args"]["flops"] == 128);
  CHECK(product["args"]["line"].get<std::string>().starts_with("profile_test.cpp:"));
  CHECK(product["args"]["share of roof"].get<double>() > 0);
  CHECK(product["args"].contains("roof"));
  CHECK(trace["otherData"]["roof GFLOP/s"].get<double>() > 1);
  CHECK(trace["otherData"]["threads"] == num_threads());
}

TEST_CASE("tables are aligned and sorted by time") {
  const Tensor x = ones({256, 256}), small = ones({2});
  Profile profile;
  {
    ProfileScope scope("scöpe");
    for (int i = 0; i < 3; ++i) matmul(x, x);
    small + small;
  }
  for (auto by : {ProfileBy::op, ProfileBy::line, ProfileBy::scope}) {
    std::istringstream text(profile.summary({.by = by}));
    std::vector<std::string> lines;
    for (std::string l; std::getline(text, l);) lines.push_back(l);
    REQUIRE(lines.size() >= 5);
    CHECK(lines[0].find("4 operations, ") == 0);
    CHECK(lines[1].find("The roof, measured with ") == 0);
    const std::size_t calls = lines[3].find("calls") + 5;
    CHECK(calls == 52);
    if (by == ProfileBy::op) {
      CHECK(lines[4].starts_with("matmul "));
      CHECK(lines[4].substr(44, 8) == "       3");
      CHECK(lines[5].starts_with("add "));
      CHECK(lines[4].size() == lines[5].size());
      CHECK(lines[4].ends_with(" %"));
    }
    if (by == ProfileBy::line) CHECK(lines[4].ends_with("  matmul"));
    if (by == ProfileBy::scope) CHECK(lines[4].starts_with("scope scöpe   "));
  }
  CHECK(profile.summary({.rows = 1}).find("... and 1 more") != std::string::npos);
  CHECK(error_of<UsageError>([&] { profile.summary({.rows = 0}); }) == "summary: needs at least 1 row, got 0.");
}

TEST_CASE("a path that cannot be written is refused before anything is recorded") {
  TempFolder folder;
  CHECK(error_of<FileError>([&] {
          Profile profile(folder / "no/such/folder.json");
        }).starts_with("profile: " + folder / "no/such/folder.json" + ": cannot be written, "));
  Profile next;  // the one above did not begin
  CHECK(error_of<FileError>([&] { next.save(folder.path); }) ==
        "profile: " + folder.path + ": is a folder, not a file.");
}

TEST_CASE("the machine's roof") {
  const Roof roof = machine_roof();
  CHECK(roof.flops > 1e9);
  CHECK(roof.bandwidth > 1e8);
  CHECK(machine_roof().flops == roof.flops);  // once
  const MemoryStats before = memory_stats();
  set_num_threads(1);
  CHECK(machine_roof().flops > 1e9);
  CHECK(memory_stats().peak == before.peak);
}
