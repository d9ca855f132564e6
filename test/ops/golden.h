// Cases of test/golden/, written by real TensorFlow (make_golden.py), and what tests of these ops share.
#pragma once
#include <doctest/doctest.h>
#include <tapir/io/npy.h>
#include <tapir/tapir.h>

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <random>

namespace golden {

using namespace tapir;

/// The path of `file` of test/golden/.
inline std::string path_of(const std::string& file) {
  const char* root = std::getenv("TAPIR_SOURCE_DIR");
  return std::string(root ? root : ".") + "/test/golden/" + file;
}

struct Family {
  nlohmann::json cases;
  io::NamedTensors arrays;
  explicit Family(const std::string& name) {
    std::ifstream(path_of(name + ".json")) >> cases;
    arrays = io::load_npz(path_of(name + ".npz"));
  }
  Tensor get(const std::string& name, const std::string& field) const { return io::find(arrays, name + "." + field); }
};

inline std::mt19937 rng(11);

inline Tensor randn(const Shape& s, DType d = DType::f64) {
  std::vector<double> v(std::size_t(s.size()));
  for (auto& x : v) x = std::normal_distribution<double>()(rng);
  return Tensor::from_vector(v, s).astype(d);
}

/// The largest |a - b| / max(1, |b|); infinite where shapes or the places of NaN differ.
inline double distance(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape())) return INFINITY;
  auto x = a.astype(DType::f64).to_vector<double>(), y = b.astype(DType::f64).to_vector<double>();
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))) continue;
    double d = std::abs(x[i] - y[i]) / std::max(1.0, std::abs(y[i]));
    worst = d <= worst ? worst : std::isnan(d) ? INFINITY : d;
  }
  return worst;
}

template <class E, class F>
void check_error(F&& f, const std::string& text) {
  try {
    f();
  } catch (const E& e) {
    std::string what = e.what();
    CHECK_MESSAGE((what.size() >= text.size() && what.substr(what.size() - text.size()) == text), what);
    CHECK(what.find("_test.cpp:") != std::string::npos);
    return;
  }
  FAIL_CHECK("no error: " << text);
}

template <class F, class In>
void check_gradient(const F& f, const In& in, GradcheckOptions o = {.order = 2}) {
  auto r = gradcheck(f, in, o);
  CHECK_MESSAGE(r, r.str());
}

}  // namespace golden
