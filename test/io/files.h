// What the tests of files share: a folder that goes away, whole files as strings, and damage.
#pragma once
#include <doctest/doctest.h>
#include <tapir/io/named_tensors.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

namespace files {

using namespace tapir;

struct TempFolder {
  std::string path;
  TempFolder() {
    // Memory if there is some: thousands of small files are rewritten.
    path = (std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp") + std::string("/tapir_test_XXXXXX");
    REQUIRE(mkdtemp(path.data()) != nullptr);
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  int count() const {
    int n = 0;
    for (auto& entry : std::filesystem::directory_iterator(path)) n += entry.exists();
    return n;
  }
};

inline std::string source_path(const std::string& path) {
  const char* root = std::getenv("TAPIR_SOURCE_DIR");
  REQUIRE_MESSAGE(root, "TAPIR_SOURCE_DIR is not set; run the tests through meson");
  return std::string(root) + "/" + path;
}
inline std::string fixture(const std::string& name) { return source_path("test/io/fixtures/" + name); }

inline std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE_MESSAGE(in.good(), path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}
inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), std::streamsize(bytes.size()));
  REQUIRE(out.good());
}

/// The text of the E that f throws, from the operation's name on (without the user's file and line).
template <class E, class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const E& e) {
    std::string what = e.what();
    auto colon = what.find(": ");
    CHECK(what.find("_test.cpp:") < colon);
    return what.substr(colon + 2);
  }
  return "nothing was thrown";
}

/// Bit for bit the same: dtype, shape and values.
inline bool same(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  return visit_dtype(a.dtype(), [&](auto t) {
    auto x = a.to_vector<decltype(t)>(), y = b.to_vector<decltype(t)>();
    for (std::size_t i = 0; i < x.size(); ++i) {
      decltype(t) p = x[i], q = y[i];
      if (std::memcmp(&p, &q, sizeof p) != 0) return false;
    }
    return true;
  });
}

/// A tensor of some values of that dtype, among them negative ones and fractions where there are any.
inline Tensor sample(DType dtype, const Shape& shape) {
  Tensor t = Tensor::empty(shape, dtype);
  visit_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (std::int64_t i = 0; i < t.size(); ++i) {
      if constexpr (std::is_same_v<T, bool>) t.mutable_data<T>()[i] = i % 3 == 0;
      else if constexpr (std::is_integral_v<T>) t.mutable_data<T>()[i] = T(i * 37 - 50);
      else t.mutable_data<T>()[i] = T(float(i) * 0.75f - 2);
    }
  });
  return t;
}

inline constexpr DType all_dtypes[] = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8,
                                       DType::u8,  DType::i16, DType::i32, DType::i64,  DType::boolean};

/// Every beginning of the file must be refused with FileError.
template <class Load>
void check_truncations(const std::string& whole, Load load) {
  TempFolder folder;
  std::string bytes = bytes_of(whole), path = folder / "cut";
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    write_bytes(path, bytes.substr(0, n));
    INFO("the first " << n << " bytes of " << bytes.size());
    CHECK_THROWS_AS(load(path), FileError);
  }
}

/// Random damage must give a value or an Error, and nothing else. Returns how often it was refused.
template <class Load>
int check_damage(const std::string& whole, int rounds, Load load) {
  TempFolder folder;
  std::string bytes = bytes_of(whole), path = folder / "damaged";
  std::mt19937 random(20261124);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    std::string damaged = bytes;
    int changes = 1 + int(random() % 3);
    for (int i = 0; i < changes; ++i) {
      std::size_t at = random() % damaged.size();
      if (random() % 4 == 0) damaged[at] = "\x00\xff\x7f\x80"[random() % 4];
      else damaged[at] = char(damaged[at] ^ (1 << random() % 8));
    }
    if (random() % 8 == 0) damaged.erase(random() % damaged.size(), 1 + random() % 9);
    if (random() % 8 == 0) damaged.insert(random() % damaged.size(), 1 + random() % 9, char(random()));
    write_bytes(path, damaged);
    try {
      load(path);
    } catch (const Error&) {
      ++refused;
    }
  }
  return refused;
}

}  // namespace files
