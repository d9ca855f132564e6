// What several processes come to, beside one alone with the whole batch. Run by run.py, under mpirun -n 2 and 4.
#include <doctest/doctest.h>
#include <tapir/distributed.h>
#include <tapir/tapir.h>
#include <tapir/test/difference.h>
#include <tapir/test/thrown.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

using namespace tapir;
namespace cb = nn::callbacks;
using distributed::DataParallel;
using distributed::Reduce;

namespace {

distributed::World& world() {
  static distributed::World w;
  return w;
}

// One for all processes of this run, and of no other that runs beside it.
std::filesystem::path common_folder() {
  const auto number = world().broadcast(constant(std::int64_t(getpid()), DType::i64)).item<std::int64_t>();
  const auto folder = std::filesystem::temp_directory_path() / ("tapir_data_parallel_" + std::to_string(number));
  if (world().first()) std::filesystem::remove_all(folder), std::filesystem::create_directories(folder);
  world().barrier();
  return folder;
}

std::vector<double> values(const std::vector<Variable>& variables) {
  std::vector<double> all;
  for (auto& v : variables)
    for (double x : v.value().astype(DType::f64).to_vector<double>()) all.push_back(x);
  return all;
}
double farthest(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size() || a.empty()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}
std::vector<double> losses(const nn::History& h, const std::string& name = "loss") { return h[name]; }

// Several layers, so several buckets; a penalty, and a layer that nothing flows to.
nn::Sequential network(std::int64_t seed) {
  return nn::Sequential{
      nn::Conv2D(4, 3, {.activation = "relu", .kernel_regularizer = nn::regularizers::L2(0.01), .seed = seed}),
      nn::LayerNormalization(), nn::Flatten(), nn::Dense(16, {.activation = "tanh", .seed = seed + 1}),
      nn::Dense(3, {.seed = seed + 2})};
}
struct Data {
  Tensor x, y;
};
Data examples(std::int64_t n) {
  const Tensor x = random::normal({n, 6, 5, 2}, {.seed = 9});
  return {x, astype(random::integers({n}, 0, 3, {.seed = 8}), DType::i64)};
}
void compile(nn::Sequential& model, bool eagerly = false) {
  model.compile({.optimizer = optim::Adam({.learning_rate = 0.01, .global_clipnorm = 1}),
                 .loss = nn::Loss("sparse_categorical_crossentropy", {.from_logits = true}),
                 .metrics = {"accuracy"},
                 .run_eagerly = eagerly});
}

}  // namespace

TEST_CASE("what processes tell each other") {
  const auto& w = world();
  const double sum = w.size() * (w.size() - 1) / 2.0;
  const Tensor mine = full({2, 3}, float(w.rank()));
  CHECK(array_equal(w.all_reduce(mine), full({2, 3}, float(sum))));
  CHECK(array_equal(w.all_reduce(mine, Reduce::mean), full({2, 3}, float(sum / w.size()))));
  CHECK(w.all_reduce(constant(w.rank(), DType::i32), Reduce::max).item<std::int32_t>() == w.size() - 1);
  CHECK(w.all_reduce(constant(w.rank(), DType::i64), Reduce::min).item<std::int64_t>() == 0);
  CHECK(w.all_reduce(mine.astype(DType::bf16)).dtype() == DType::bf16);
  CHECK(w.broadcast(permute_dims(mine, {1, 0}), w.size() - 1).to_vector<float>()[0] == float(w.size() - 1));
  CHECK(w.broadcast(zeros({0, 2})).shape() == Shape{0, 2});
  Variable v(full({2}, double(w.rank())));
  w.broadcast_variables({v}, 1);
  CHECK(v.value().to_vector<float>()[1] == 1);
  w.barrier();
  CHECK(message<distributed::DistributedError>([&] {
          w.all_reduce(zeros({w.rank() == 0 ? 2 : 3}));
        }).starts_with("all_reduce: processes give tensors of different shape or dtype; that of process "));
  CHECK(message<DTypeError>([&] { w.all_reduce(constant(1, DType::i32), Reduce::mean); }) ==
        "all_reduce: i32 cannot be averaged. Cast it first.");
  CHECK(message<UsageError>([&] { w.broadcast(mine, w.size()); }).starts_with("broadcast: root must be in [0, "));
  CHECK(message<UsageError>([] { distributed::World second; }) ==
        "World: there can be one in a program, and there was one.");
}

TEST_CASE("fit over tensors: the losses and weights of one process with the whole batch") {
  // 38 examples in batches of 16: the last has 6, and one more case has fewer than there are processes
  for (bool eagerly : {false, true})
    for (std::int64_t n : {38, 33}) {
      CAPTURE(eagerly);
      CAPTURE(n);
      const Data train = examples(n), held_out = examples(7);
      nn::Sequential alone = network(1);
      compile(alone, eagerly);
      nn::FitOptions options{
          .epochs = 3, .batch_size = 16, .validation_data = {held_out.x, held_out.y}, .shuffle_seed = 5, .verbose = 0};
      const nn::History expected = alone.fit(train.x, train.y, options);

      nn::Sequential together = network(1 + world().rank());  // the first one's weights count
      compile(together, eagerly);
      options.shuffle_seed = 5 + world().rank();  // and its order
      options.callbacks = {DataParallel(world(), {.bucket_bytes = 1000})};
      const nn::History found = together.fit(train.x, train.y, options);
      for (const char* name : {"loss", "accuracy", "val_loss", "val_accuracy"}) {
        CAPTURE(name);
        CHECK(farthest(losses(found, name), losses(expected, name)) < 1e-6);
      }
      CHECK(farthest(values(together.variables()), values(alone.variables())) < 1e-6);
      CHECK(losses(expected)[2] < losses(expected)[0]);
    }
}

TEST_CASE("fit over a dataset, each process reading its part") {
  const Data train = examples(37);
  const auto stream = data::Dataset::from_tensors({train.x, train.y}).shuffle(37, {.seed = 4});
  nn::Sequential alone = network(1);
  compile(alone);
  const nn::History expected = alone.fit(stream.batch(12), {.epochs = 2, .verbose = 0});
  const auto unknown = stream.filter([](const data::Element&) { return true; });
  for (auto& examples : {stream, unknown}) {
    nn::Sequential together = network(1);
    compile(together);
    DataParallel parallel(world());
    const auto own = parallel.shard(examples, 12);
    const nn::History found =
        together.fit(own, {.epochs = 2, .validation_data = own, .verbose = 0, .callbacks = {parallel}});
    CHECK(farthest(losses(found), losses(expected)) < 1e-6);
    CHECK(farthest(values(together.variables()), values(alone.variables())) < 1e-6);
    CHECK(std::abs(losses(found, "val_loss")[1] - alone.evaluate(stream.batch(12))["loss"]) < 1e-6);
  }
  CHECK(message<UsageError>([&] {
          DataParallel(world()).shard(stream, 2 * world().size() + 1);
        }).starts_with("shard: batch_size must be a multiple of the "));
  CHECK(message<UsageError>([&] { DataParallel(world(), {.bucket_bytes = 0}); }) ==
        "DataParallel: bucket_bytes must be at least 1, got 0.");
}

TEST_CASE("a loop of one's own, eager and traced, with a variable that nothing flows to") {
  const int n = world().size(), me = world().rank();
  const Tensor x = random::normal({8, 3}, {.seed = 2}), y = sum(x, {.axis = 1, .keepdims = true});
  const Tensor own_x = x(Slice(me, none, n)), own_y = y(Slice(me, none, n));
  for (DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    Variable w(full({3, 1}, 0.5).astype(dtype)), idle(ones({2}, dtype));
    const auto loss_of = [&](const Tensor& a, const Tensor& b) {
      return mean(square(matmul(a.astype(dtype), w) - b.astype(dtype)));
    };
    GradientTape whole;
    const Tensor all = loss_of(x, y);
    const Tensor expected = whole.gradient(all, w);
    DataParallel parallel(world(), {.bucket_bytes = 1});
    const auto step = [&](const Tensor& a, const Tensor& b) {
      GradientTape tape;
      const Tensor loss = loss_of(a, b);
      const auto g = parallel.gradient(tape, loss, {w, idle}, a.shape()[0]);
      check(constant(!g[1].defined()), "nothing flows to it");
      return g[0];
    };
    const double most = dtype == DType::bf16 ? 0.05 : dtype == DType::f32 ? 1e-6 : 1e-14;
    CHECK(max(abs(step(own_x, own_y) - expected)).astype(DType::f64).item<double>() < most);
    auto traced = function(step);
    for (int i = 0; i < 2; ++i)
      CHECK(max(abs(traced(own_x, own_y) - expected)).astype(DType::f64).item<double>() < most);
  }
}

TEST_CASE("one stops, all stop; the first alone writes; processes that differ are told") {
  const Data train = examples(40);
  const auto folder = common_folder();
  nn::Sequential model = network(1);
  compile(model);
  int batches = 0;
  cb::LambdaCallback stopper({.on_train_batch_end = [&](std::int64_t, const nn::Logs&) {
    if (++batches == 3 && world().rank() == world().size() - 1) model.stop_training();
  }});
  const std::string path = (folder / ("of_" + std::to_string(world().rank()))).string();
  const nn::History h = model.fit(
      train.x, train.y,
      {.epochs = 5,
       .batch_size = 8,
       .verbose = 0,
       .callbacks = {DataParallel(world()), stopper, cb::ModelCheckpoint(path + ".safetensors", {.monitor = "loss"}),
                     cb::CSVLogger(path + ".csv"),
                     cb::BackupAndRestore(path + ".backup", {.delete_checkpoint = false})}});
  CHECK(batches == 3);
  CHECK(h["loss"].size() == 1);
  for (const char* end : {".safetensors", ".csv", ".backup"})
    CHECK(std::filesystem::exists(path + end) == world().first());
  world().barrier();
  if (world().first()) std::filesystem::remove_all(folder);

  nn::Sequential other{nn::Flatten(), nn::Dense(world().first() ? 3 : 4)};
  compile(other);
  CHECK(message<distributed::DistributedError>([&] {
          other.fit(train.x, train.y, {.verbose = 0, .callbacks = {DataParallel(world())}});
        }).starts_with("fit: the processes' models differ; that of process "));
  CHECK(message<UsageError>([&] {
          model.fit(train.x, train.y, {.verbose = 0, .callbacks = {DataParallel(world()), DataParallel(world())}});
        }) == "fit: there are two callbacks that train in parallel.");
}

TEST_CASE("a training that broke off within an epoch goes on as if it had not") {
  const Data train = examples(40);
  const auto folder = common_folder();
  const auto fit = [&](nn::Sequential& model, std::int64_t seed, std::vector<nn::AnyCallback> callbacks) {
    compile(model);
    random::set_seed(seed + world().rank());
    callbacks.emplace_back(DataParallel(world()));
    return model.fit(train.x, train.y, {.epochs = 3, .batch_size = 8, .verbose = 0, .callbacks = callbacks});
  };
  nn::Sequential unbroken = network(1), broken = network(1), again = network(7);
  const nn::History expected = fit(unbroken, 5, {});
  int batches = 0;
  cb::LambdaCallback breaks({.on_train_batch_end = [&](std::int64_t, const nn::Logs&) {
    if (++batches == 8) throw UsageError("broken off");
  }});
  const auto backup = [&] { return cb::BackupAndRestore(folder.string(), {.save_freq = 1}); };
  CHECK(message<UsageError>([&] { fit(broken, 5, {breaks, backup()}); }) == "broken off");
  const nn::History rest = fit(again, 99, {backup()});
  REQUIRE(losses(rest).size() == 2);  // from the third batch of the second epoch
  for (const char* name : {"loss", "accuracy"})
    for (std::size_t i : {0, 1}) CHECK(std::abs(losses(rest, name)[i] - losses(expected, name)[i + 1]) < 1e-6);
  CHECK(farthest(values(again.variables()), values(unbroken.variables())) < 1e-6);
  world().barrier();
  if (world().first()) std::filesystem::remove_all(folder);
}
