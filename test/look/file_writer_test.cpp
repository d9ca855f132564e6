// Event files: what is in them, when it is in them, and what is refused. `./dev interop` shows them to TensorBoard.
#include <sys/wait.h>
#include <tapir/tapir.h>
#include <tapir/test/look/events.h>
#include <unistd.h>

#include <cmath>
#include <thread>

using namespace tapir;
using events::Message;
using files::error_of;
using files::TempFolder;

namespace {

// The values of all events but the first, which says the version, with their steps.
std::vector<std::pair<std::int64_t, Message>> values(const std::string& path) {
  std::vector<std::pair<std::int64_t, Message>> out;
  for (auto& r : events::records(path)) {
    const Message event(r);
    for (auto& summary : event.messages(5)) out.emplace_back(std::int64_t(event.integer(2)), summary.message(1));
  }
  return out;
}

}  // namespace

TEST_CASE("a file says what it is, and its name is one that TensorBoard looks for") {
  TempFolder folder;
  auto writer = summary::create_file_writer(folder / "a/b/c", {.filename_suffix = ".mine"});
  CHECK(writer.path().find("/a/b/c/events.out.tfevents.") != std::string::npos);
  CHECK(writer.path().ends_with(".v2.mine"));
  const auto records = events::records(writer.path());
  REQUIRE(records.size() == 1);
  CHECK(Message(records[0]).text(3) == "brain.Event:2");
  CHECK(Message(records[0]).f64(1) > 1.7e9);
  auto second = summary::create_file_writer(folder / "a/b/c");
  CHECK(second.path() != writer.path());
}

TEST_CASE("scalars") {
  TempFolder folder;
  auto writer = summary::create_file_writer(folder / "logs");
  writer.scalar("loss", 0.5, 0);
  writer.scalar("train/loss", tensor({0.25f}), 7);
  writer.scalar("count", tensor({3}), std::int64_t(1) << 40);
  writer.scalar("bad", NAN, 1);
  writer.flush();
  const auto v = values(writer.path());
  REQUIRE(v.size() == 4);
  CHECK(v[0].first == 0);
  CHECK(v[0].second.text(1) == "loss");
  CHECK(v[0].second.f32(2) == 0.5f);
  CHECK(v[1].first == 7);
  CHECK(v[1].second.text(1) == "train/loss");
  CHECK(v[1].second.f32(2) == 0.25f);
  CHECK(v[2].first == std::int64_t(1) << 40);
  CHECK(v[2].second.f32(2) == 3.0f);
  CHECK(std::isnan(v[3].second.f32(2)));
}

TEST_CASE("histograms") {
  TempFolder folder;
  auto writer = summary::create_file_writer(folder / "logs");
  const double inf = HUGE_VAL;
  writer.histogram("h", Tensor::from_vector<double>({0, 1, 2, 3, 4, 10, NAN, inf, -inf}), 1, {.buckets = 5});
  writer.histogram("same", full({4, 2}, 2.5), 1);
  writer.histogram("none", zeros({0}), 1);
  writer.histogram("counts", Tensor::from_vector<std::int32_t>({-1, 1}), 1, {.buckets = 2});
  writer.close();
  const auto v = values(writer.path());
  REQUIRE(v.size() == 4);
  const Message h = v[0].second.message(5);
  CHECK(h.f64(1) == 0);
  CHECK(h.f64(2) == 10);
  CHECK(h.f64(3) == 6);
  CHECK(h.f64(4) == 20);
  CHECK(h.f64(5) == 130);
  CHECK(h.numbers(6) == std::vector<double>{2, 4, 6, 8, 10});
  CHECK(h.numbers(7) == std::vector<double>{2, 2, 1, 0, 1});
  const Message same = v[1].second.message(5);
  CHECK(same.numbers(6) == std::vector<double>{2.5});
  CHECK(same.numbers(7) == std::vector<double>{8});
  CHECK(v[2].second.message(5).f64(3) == 0);
  CHECK(v[3].second.message(5).numbers(7) == std::vector<double>{1, 1});
}

TEST_CASE("images") {
  TempFolder folder;
  auto writer = summary::create_file_writer(folder / "logs");
  writer.image("one", ones({1, 4, 6, 3}), 2);
  writer.image("many", zeros({5, 2, 2, 1}, DType::u8), 3);
  writer.image("all", zeros({5, 2, 2, 1}, DType::u8), 3, {.max_outputs = 5});
  writer.flush();
  const auto v = values(writer.path());
  REQUIRE(v.size() == 9);
  CHECK(v[0].second.text(1) == "one");
  const Message image = v[0].second.message(4);
  CHECK(image.integer(1) == 4);
  CHECK(image.integer(2) == 6);
  CHECK(image.integer(3) == 3);
  CHECK(image.text(4).starts_with("\x89PNG"));
  CHECK(v[1].second.text(1) == "many/0");
  CHECK(v[3].second.text(1) == "many/2");
  CHECK(v[8].second.text(1) == "all/4");
}

TEST_CASE("text") {
  TempFolder folder;
  auto writer = summary::create_file_writer(folder / "logs");
  writer.text("notes", "**bold**", 4);
  writer.flush();
  const auto v = values(writer.path());
  REQUIRE(v.size() == 1);
  CHECK(v[0].second.message(9).message(1).text(1) == "text");
  CHECK(v[0].second.message(8).text(8) == "**bold**");
}

TEST_CASE("graphs") {
  TempFolder folder;
  auto writer = summary::create_file_writer(folder / "logs");
  Variable w(ones({3, 2}), "dense/kernel");
  auto f = function([&](const Tensor& x) {
    Tensor y = matmul(x, w);
    w.assign(w.value() * 0.5f);
    return maximum(y, 0.0f);
  });
  CHECK(error_of<UsageError>([&] { writer.graph(f); }) ==
        "graph: the function has no trace yet. Call it once, or get_concrete().");
  f(ones({4, 3}));
  writer.graph(f);
  writer.graph(f, {.optimised = true});
  writer.graph(f.get_concrete({TensorSpec({unknown, 3})}));
  writer.flush();
  std::vector<Message> graphs;
  for (auto& r : events::records(writer.path()))
    if (Message e(r); !e.text(4).empty()) graphs.push_back(e.message(4));
  REQUIRE(graphs.size() == 3);

  std::map<std::string, Message> nodes;
  for (auto& n : graphs[0].messages(1)) CHECK(nodes.emplace(n.text(1), n).second);  // names differ
  std::map<std::string, int> ops;
  for (auto& [name, n] : nodes) {
    ++ops[n.text(2)];
    for (auto [at, end] = n.strings.equal_range(3); at != end; ++at) CHECK(nodes.contains(at->second));
  }
  CHECK(ops == std::map<std::string, int>{{"Placeholder", 1},
                                          {"Variable", 1},
                                          {"Const", 2},
                                          {"matmul", 1},
                                          {"multiply", 1},
                                          {"maximum", 1},
                                          {"Identity", 1},
                                          {"Assign", 1}});
  REQUIRE(nodes.contains("dense/kernel"));
  REQUIRE(nodes.contains("dense/kernel/assign"));
  std::string matmul_node;
  for (auto& [name, n] : nodes)
    if (n.text(2) == "matmul") matmul_node = name;
  CHECK(matmul_node.starts_with("line_"));  // grouped by line, for there are several
  CHECK(nodes.at(matmul_node).strings.count(3) == 2);

  auto shapes = [](const Message& node) {
    std::vector<std::int64_t> dims;
    for (auto& a : node.messages(5))
      if (a.text(1) == "_output_shapes")
        for (auto& d : a.message(2).message(1).message(7).messages(2)) dims.push_back(std::int64_t(d.integer(1)));
    return dims;
  };
  CHECK(shapes(nodes.at(matmul_node)) == std::vector<std::int64_t>{4, 2});
  for (auto& n : graphs[2].messages(1))
    if (n.text(2) == "matmul") CHECK(shapes(n) == std::vector<std::int64_t>{-1, 2});
}

TEST_CASE("what was flushed is there, what was not is not, and dying loses no more than the queue") {
  TempFolder folder;
  auto writer = summary::create_file_writer(folder / "logs", {.max_queue = 3});
  for (int i = 0; i < 3; ++i) writer.scalar("x", i, i);
  CHECK(values(writer.path()).empty());
  writer.scalar("x", 3, 3);
  CHECK(values(writer.path()).size() == 4);
  writer.scalar("x", 4, 4);
  CHECK(values(writer.path()).size() == 4);
  writer.flush();
  CHECK(values(writer.path()).size() == 5);

  auto at_once = summary::create_file_writer(folder / "logs", {.max_queue = 0});
  at_once.scalar("x", 0, 0);
  CHECK(values(at_once.path()).size() == 1);
  auto soon = summary::create_file_writer(folder / "logs", {.max_queue = 100, .flush_seconds = 0});
  soon.scalar("x", 0, 0);
  CHECK(values(soon.path()).size() == 1);

  const pid_t child = fork();
  if (child == 0) {
    auto mine = summary::create_file_writer(folder / "child");
    mine.scalar("x", 1, 1);
    mine.flush();
    mine.scalar("x", 2, 2);
    _exit(0);  // no destructors
  }
  int status = 0;
  waitpid(child, &status, 0);
  for (auto& entry : std::filesystem::directory_iterator(folder / "child")) CHECK(values(entry.path()).size() == 1);
}

TEST_CASE("the destructor writes the rest; a moved writer goes on") {
  TempFolder folder;
  std::string path;
  {
    auto a = summary::create_file_writer(folder / "logs");
    a.scalar("x", 1, 1);
    auto b = std::move(a);
    b.scalar("x", 2, 2);
    path = b.path();
  }
  CHECK(values(path).size() == 2);
}

TEST_CASE("threads share a writer") {
  TempFolder folder;
  auto writer = summary::create_file_writer(folder / "logs");
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 100; ++i) writer.scalar("x" + std::to_string(t), i, i);
      });
  }
  writer.flush();
  CHECK(values(writer.path()).size() == 400);
}

TEST_CASE("errors") {
  TempFolder folder;
  files::write_bytes(folder / "file", "x");
  CHECK(error_of<FileError>([&] { summary::create_file_writer(folder / "file"); }) ==
        "create_file_writer: " + folder / "file" + ": is not a folder.");
  CHECK(error_of<FileError>([&] { summary::create_file_writer(folder / "file/below"); }) ==
        "create_file_writer: " + folder / "file/below" + ": is not a folder.");
  CHECK(error_of<FileError>([&] {
          summary::create_file_writer("/proc/nobody/writes/here");
        }).starts_with("create_file_writer: /proc/nobody/writes/here: cannot be made, "));
  auto writer = summary::create_file_writer(folder / "logs");
  CHECK(error_of<UsageError>([&] { writer.scalar("", 1, 1); }) == "scalar: the tag is empty.");
  CHECK(error_of<UsageError>([&] { writer.scalar("x", ones({2}), 1); }).starts_with("item: "));
  CHECK(error_of<UsageError>([&] { writer.histogram("x", ones({2}), 1, {.buckets = 0}); }) ==
        "histogram: needs at least 1 bucket, got 0.");
  CHECK(error_of<ShapeError>([&] {
          writer.image("x", ones({2, 3, 3}), 1);
        }) ==
        "image: images must be [N, H, W, C] with 1 to 4 channels, got [2, 3, 3]. One picture: expand_dims(x, 0).");
  CHECK(error_of<ShapeError>([&] {
          writer.image("x", ones({2, 3, 3, 5}), 1);
        }).ends_with("got [2, 3, 3, 5]. One picture: expand_dims(x, 0)."));
  CHECK(error_of<DTypeError>([&] {
          writer.image("x", ones({2, 3, 3, 1}, DType::i64), 1);
        }) == "image: images must be u8, bool or floating, got i64.");
  CHECK(error_of<UsageError>([&] { writer.histogram("x", Tensor(), 1); }) ==
        "histogram: tensor is undefined and holds no value.");
  auto traced = function([&](const Tensor& x) {
    writer.histogram("x", x, 1);
    return x;
  });
  CHECK(error_of<UsageError>([&] {
          traced(ones({2}));
        }).starts_with("histogram: tensor has no value yet, it is being traced by function()."));
  writer.close();
  writer.close();
  CHECK(error_of<UsageError>([&] { writer.scalar("x", 1, 1); }) ==
        "scalar: the writer of " + writer.path() + " is closed.");
}

TEST_CASE("values of pictures") {
  TempFolder folder;
  // 0, 1, halves, beyond, NaN: as the standard PNG test reads them back, here by size of one row and known bytes
  auto writer = summary::create_file_writer(folder / "logs");
  writer.image("a", Tensor::from_vector<float>({0, 1, 0.5f, 2, -1, NAN}, {1, 1, 6, 1}), 0);
  writer.image("b", Tensor::from_vector<std::uint8_t>({0, 255, 128, 255, 0, 0}, {1, 1, 6, 1}), 0);
  writer.image(
      "c", permute_dims(Tensor::from_vector<std::uint8_t>({0, 255, 128, 255, 0, 0}, {1, 6, 1, 1}), {0, 2, 1, 3}), 0);
  writer.image("d", Tensor::from_vector<bool>({false, true}, {1, 1, 2, 1}), 0);
  writer.image("e", Tensor::from_vector<std::uint8_t>({0, 255}, {1, 1, 2, 1}), 0);
  writer.flush();
  const auto v = values(writer.path());
  auto png = [&](std::size_t i) { return v[i].second.message(4).text(4); };
  CHECK(png(0) == png(1));
  CHECK(png(0) == png(2));
  CHECK(png(3) == png(4));
  CHECK(png(0) != png(3));
}
