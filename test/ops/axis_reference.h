// Plain f64 references for tests of reductions, scans, softmax and sort: any tensor as [outer, n, inner] or by axes.
#pragma once
#include <tapir/io/npy.h>
#include <tapir/tapir.h>

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

namespace axis_reference {

using tapir::Axes;
using tapir::DType;
using tapir::Shape;
using tapir::Tensor;

/// Numbers in [lo, hi) that look random, the same on every machine.
inline std::vector<double> numbers(std::int64_t n, std::uint64_t seed, double lo = -1, double hi = 1) {
  std::vector<double> v;
  std::uint64_t s = seed * 0x9e3779b97f4a7c15ull + 1;
  for (std::int64_t i = 0; i < n; ++i) {
    s = s * 6364136223846793005ull + 1442695040888963407ull;
    v.push_back(lo + (hi - lo) * double(s >> 11) * 0x1p-53);
  }
  return v;
}

inline Tensor numbers_of(const Shape& s, std::uint64_t seed, double lo = -1, double hi = 1) {
  return Tensor::from_vector(numbers(s.size(), seed, lo, hi), s);
}

inline std::vector<double> doubles(const Tensor& t) { return t.astype(DType::f64).to_vector<double>(); }

/// Elements of x (row-major) that each result of a reduction over `axes` sees, in row-major order.
inline std::vector<std::vector<double>> groups(const Tensor& x, const Axes& axes) {
  bool gone[Shape::max_rank] = {};
  for (auto a : axes) gone[a < 0 ? a + x.rank() : a] = true;
  if (axes.empty())
    for (auto& g : gone) g = true;
  std::int64_t results = 1;
  for (int i = 0; i < x.rank(); ++i)
    if (!gone[i]) results *= x.shape()[i];
  std::vector<std::vector<double>> out(static_cast<std::size_t>(results));
  auto v = doubles(x);
  for (std::size_t e = 0; e < v.size(); ++e) {
    std::int64_t rest = std::int64_t(e), at = 0, step = 1;
    for (int i = x.rank() - 1; i >= 0; --i) {
      std::int64_t k = rest % x.shape()[i];
      rest /= x.shape()[i];
      if (!gone[i]) at += k * step, step *= x.shape()[i];
    }
    out[std::size_t(at)].push_back(v[e]);
  }
  return out;
}

/// Every subset of the axes of a tensor of rank r >= 1 but the empty one, which means all.
inline std::vector<Axes> subsets(int r) {
  std::vector<Axes> out;
  for (int bits = 1; bits < 1 << r; ++bits) {
    Axes a;
    for (int i = 0; i < r; ++i)
      if (bits >> i & 1) a.push_back(i);
    out.push_back(a);
  }
  return out;
}

/// Largest |a - b| / max(1, |b|); NaN and infinities must be the same.
inline double distance(const Tensor& a, const std::vector<double>& b) {
  auto v = doubles(a);
  if (v.size() != b.size()) return INFINITY;
  double worst = 0;
  for (std::size_t i = 0; i < v.size(); ++i) {
    if (std::isnan(v[i]) && std::isnan(b[i])) continue;
    if (v[i] == b[i]) continue;
    double d = std::abs(v[i] - b[i]) / std::max(1.0, std::abs(b[i]));
    if (!(d <= worst)) worst = std::isnan(d) ? INFINITY : d;
  }
  return worst;
}

/// The same values with strides turned around: a transpose of a transposed copy.
inline Tensor strided(const Tensor& x) {
  if (x.rank() < 2) return x;
  Axes back;
  for (int i = x.rank() - 1; i >= 0; --i) back.push_back(i);
  return permute_dims(contiguous(permute_dims(x, back)), back);
}

/// A case of test/golden with x, dy and what TensorFlow gave for y and dx. f(x) -> y. Returns the larger distance.
template <class F>
double golden(const char* file, const std::string& name, F f) {
  static std::string read;
  static tapir::io::NamedTensors all;
  std::string path =
      std::string(std::getenv("TAPIR_SOURCE_DIR") ? std::getenv("TAPIR_SOURCE_DIR") : ".") + "/test/golden/" + file;
  if (read != path) all = tapir::io::load_npz(path), read = path;
  auto get = [&](const char* field) { return tapir::io::find(all, name + "." + field); };
  Tensor x = get("x");
  tapir::GradientTape tape;
  tape.watch(x);
  Tensor y = f(x);
  double forward = distance(y, doubles(get("y")));
  return std::max(forward, distance(tape.gradient(y, x, {.output_gradients = get("dy")}), doubles(get("dx"))));
}

}  // namespace axis_reference
