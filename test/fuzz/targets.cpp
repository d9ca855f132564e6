#include <tapir/data/csv.h>
#include <tapir/data/idx.h>
#include <tapir/io/function_file.h>
#include <tapir/io/npy.h>
#include <tapir/io/safetensors.h>
#include <tapir/nn/callbacks.h>
#include <tapir/nn/core_layers.h>
#include <tapir/nn/model.h>
#include <tapir/nn/torch_weights.h>
#include <tapir/ops/conv.h>
#include <tapir/ops/create.h>
#include <tapir/test/fuzz/targets.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace fuzz {

using namespace tapir;

namespace {

bool idx(const std::string& bytes) {
  return reads([&] { data::read_idx(file_of(bytes, ".idx")); });
}
bool npy(const std::string& bytes) {
  return reads([&] { io::load_npy(file_of(bytes, ".npy")); });
}
bool npz(const std::string& bytes) {
  return reads([&] { io::load_npz(file_of(bytes, ".npz")); });
}

bool safetensors(const std::string& bytes) {
  const std::string path = file_of(bytes, ".safetensors");
  static nn::Dense layer = [] {
    nn::Dense made(2);
    made.build({3});
    return made;
  }();
  reads<UsageError>([&] { nn::load_torch_weights(layer, path, {.partial = true}); });
  return reads([&] { io::load_safetensors_metadata(path), io::load_safetensors(path); });
}

bool function_file(const std::string& bytes) {
  return reads([&] { load_functions(file_of(bytes, ".tapir")); });
}

bool csv(const std::string& bytes) {
  const std::string path = file_of(bytes, ".csv");
  const bool whole = reads([&] { data::read_csv(path); });
  const data::CsvDatasetOptions options{.batch_size = 3, .csv = {.header = false, .delimiter = ';'}};
  reads([&] {
    for (const data::Element& batch : data::csv_dataset(path, options)) (void)batch;
  });
  return whole;
}

// The same for the tests that read the checkpoints of a model.
nn::Sequential& small_model() {
  static nn::Sequential model = [] {
    nn::Sequential made{nn::Dense(2, {.seed = 1}), nn::Dropout(0.5, {.seed = 2})};
    made.build({3});
    made.compile({.optimizer = optim::SGD({.momentum = 0.5}), .loss = "mse", .metrics = {"mae"}});
    return made;
  }();
  return model;
}

bool model_file(const std::string& bytes) {
  const std::string path = file_of(bytes, ".safetensors");
  reads([&] { small_model().load_weights(path); });
  return reads<UsageError>([&] { small_model().load(path); });
}

bool backup(const std::string& bytes) {
  nn::callbacks::BackupAndRestore kept(folder() + "/backup");
  std::filesystem::create_directories(folder() + "/backup");
  std::ofstream(kept.path(), std::ios::binary) << bytes;
  const Tensor x = ones({4, 3}), y = ones({4, 2});
  return reads<UsageError>([&] {
    small_model().fit(x, y, {.epochs = 2, .batch_size = 2, .shuffle = false, .verbose = 0, .callbacks = {kept}});
  });
}

// The first line names the machine; a corpus cannot, so here it is always the right one.
bool autotune(const std::string& bytes) {
  static const std::string first = [] {
    const std::string path = folder() + "/choices";
    autotune_convolutions(path);
    conv2d(ones({1, 3, 3, 1}), ones({1, 1, 1, 1}));
    autotune_convolutions("");
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    return line + "\n";
  }();
  std::string text = bytes;
  if (text.starts_with("#")) text = first + text.substr(std::min(text.size(), text.find('\n') + 1));
  autotune_convolutions(file_of(text, ".txt"));
  conv2d(ones({1, 3, 3, 1}), ones({1, 1, 1, 1}));
  autotune_convolutions("");
  return true;
}

}  // namespace

const std::string& folder() {
  static const std::string& path = *[] {  // which the process removes when all else is gone
    auto* made =
        new std::string(std::filesystem::exists("/dev/shm") ? "/dev/shm/tapir_fuzz_XXXXXX" : "/tmp/tapir_fuzz_XXXXXX");
    if (!mkdtemp(made->data())) std::abort();
    std::atexit([] { std::filesystem::remove_all(folder()); });
    return made;
  }();
  return path;
}

std::string file_of(const std::string& bytes, const std::string& ending) {
  const std::string path = folder() + "/file" + ending;
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  return path;
}

std::vector<Target> targets() {
  std::vector<Target> all{{"idx", idx},
                          {"npy", npy},
                          {"npz", npz},
                          {"safetensors", safetensors},
                          {"function", function_file},
                          {"csv", csv},
                          {"model", model_file},
                          {"backup", backup},
                          {"autotune", autotune}};
#ifdef TAPIR_FORMATS
  for (auto& t : formats_targets()) all.push_back(t);
#endif
  return all;
}

}  // namespace fuzz
