// A file: first line, sizes and checksum, the key (version, target and text), the image. It is written under another
// name and renamed, so nobody reads half of one; a file that is not as it should be is ignored and written anew.
#include <tapir/backends/cuda/compiler.h>
#include <tapir/backends/cuda/kernel_cache.h>
#include <tapir/backends/cuda/scratch.h>
#include <tapir/tensor/library_info.h>

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>

namespace tapir::cuda {
namespace {

namespace fs = std::filesystem;

constexpr char kFirst[] = "tapir kernel 1\n";
struct Header {
  char first[sizeof kFirst - 1];
  std::uint64_t key_bytes, image_bytes, check;
};

// FNV-1a, 64 bits: names files and finds broken ones. Keys are compared in full.
std::uint64_t hash_of(const std::string& bytes) {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (char c : bytes) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

// Empty: nothing is kept.
fs::path folder() {
  auto set = [](const char* name) {
    const char* v = std::getenv(name);
    return v && *v ? v : nullptr;
  };
  if (const char* named = std::getenv("TAPIR_KERNEL_CACHE")) return named;
  if (const char* cache = set("XDG_CACHE_HOME")) return fs::path(cache) / "tapir" / "kernels";
  if (const char* home = set("HOME")) return fs::path(home) / ".cache" / "tapir" / "kernels";
  return {};
}

fs::path file_of(const std::string& key) {
  const fs::path in = folder();
  if (in.empty()) return in;
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.kernel", static_cast<unsigned long long>(hash_of(key)));
  return in / name;
}

// False: there is no such file, or it is of another key, or broken, which is told.
bool read(const fs::path& file, const std::string& key, std::string& image) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return false;
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  Header h;
  bool good = all.size() > sizeof h;
  if (good) {
    std::memcpy(&h, all.data(), sizeof h);
    const std::uint64_t rest = all.size() - sizeof h;
    good = std::memcmp(h.first, kFirst, sizeof h.first) == 0 && h.key_bytes <= rest &&
           h.image_bytes == rest - h.key_bytes && h.check == hash_of(all.substr(sizeof h));
  }
  if (!good) {
    std::fprintf(stderr, "tapir: kernels: %s is broken; it is ignored and made anew.\n", file.c_str());
    return false;
  }
  if (all.compare(sizeof h, h.key_bytes, key) != 0) return false;
  image = all.substr(sizeof h + h.key_bytes);
  return true;
}

void write(const fs::path& file, const std::string& key, const std::string& image) {
  static std::atomic<int> count{0};
  std::error_code error;
  fs::create_directories(file.parent_path(), error);
  const fs::path part = file.string() + "." + std::to_string(getpid()) + "." + std::to_string(++count) + ".part";
  Header h{};
  std::memcpy(h.first, kFirst, sizeof h.first);
  h.key_bytes = key.size(), h.image_bytes = image.size(), h.check = hash_of(key + image);
  std::ofstream out(part, std::ios::binary);
  out.write(reinterpret_cast<const char*>(&h), sizeof h);
  out << key << image;
  out.close();
  if (out) fs::rename(part, file, error);
  if (out && !error) return;
  fs::remove(part, error);
  static std::atomic<bool> told{false};
  if (!told.exchange(true))
    std::fprintf(stderr, "tapir: kernels: %s cannot be written; kernels are kept for this run alone.\n", file.c_str());
}

void* make(const std::string& text) {
  const std::string key = std::string(library_info().version) + "\n" + compiler_target() + "\n" + text;
  const fs::path file = file_of(key);
  std::string image, log;
  if (!file.empty() && read(file, key, image))
    if (void* kernel = load_image(image)) return kernel;
  if (!compile(text, image, log)) {
    std::fprintf(stderr,
                 "tapir: kernels: a fused kernel could not be compiled; its operations run one by one. %.2000s\n",
                 log.c_str());
    return nullptr;
  }
  void* kernel = load_image(image);
  if (!kernel)
    std::fprintf(stderr, "tapir: kernels: the driver cannot load a fused kernel; its operations run one by one.\n");
  else if (!file.empty()) write(file, key, image);
  return kernel;
}

}  // namespace

void* kernel_of_text(const std::string& text) {
  static std::mutex mutex;
  static auto* all = new std::map<std::pair<int, std::string>, void*>;  // by device
  std::lock_guard lock(mutex);
  const auto [place, fresh] = all->try_emplace({current_device(), text}, nullptr);
  if (fresh) place->second = make(text);
  return place->second;
}

}  // namespace tapir::cuda
