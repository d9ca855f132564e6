#include <tapir/backends/cpu/pack.h>
#include <tapir/backends/cpu/random_tiles.h>

#include <algorithm>

namespace tapir::cpu::TAPIR_ISA {
namespace {

constexpr int kLanes = 16;

void words(const random::PhiloxKey& key, std::uint64_t first, std::int64_t groups, std::uint32_t* out) {
  for (std::int64_t g = 0; g < groups; ++g, out += 4 * kLanes) {
    alignas(64) std::uint32_t c[4][kLanes];
    const std::uint64_t block = (first + std::uint64_t(g)) * kLanes;
    for (int i = 0; i < kLanes; ++i) {
      c[0][i] = std::uint32_t(block) + std::uint32_t(i);
      c[1][i] = std::uint32_t(block >> 32);
      c[2][i] = std::uint32_t(key.stream);
      c[3][i] = std::uint32_t(key.stream >> 32) | key.attempt << 24;
    }
    std::uint32_t k0 = std::uint32_t(key.seed), k1 = std::uint32_t(key.seed >> 32);
    for (int round = 0; round < 10; ++round, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u)
      for (int i = 0; i < kLanes; ++i) {
        const std::uint64_t a = std::uint64_t(0xd2511f53u) * c[0][i], b = std::uint64_t(0xcd9e8d57u) * c[2][i];
        c[0][i] = std::uint32_t(b >> 32) ^ c[1][i] ^ k0;
        c[1][i] = std::uint32_t(b);
        c[2][i] = std::uint32_t(a >> 32) ^ c[3][i] ^ k1;
        c[3][i] = std::uint32_t(a);
      }
    std::copy(&c[0][0], &c[0][0] + 4 * kLanes, out);
  }
}

// One word gives the radius, from a uniform in (0, 1] with 31 bits that are fine near 0 (the tail ends at 6.6 sigma),
// another of the same counter the angle in [-pi, pi).
void normals(const std::uint32_t* w, std::int64_t groups, float mean, float stddev, float* out) {
  using V = Pack<float>;
  constexpr int W = V::width;
  for (std::int64_t h = 0; h < 2 * groups; ++h, w += 2 * kLanes, out += 2 * kLanes) {
    float uniform[kLanes], angle[kLanes];
    for (int i = 0; i < kLanes; ++i) {
      uniform[i] = (float(std::int32_t(w[i] >> 1)) + 0.5f) * 0x1p-31f;
      angle[i] = float(std::int32_t(w[kLanes + i])) * (3.14159265358979f * 0x1p-31f);
    }
    for (int i = 0; i < kLanes; i += W) {
      V r = sqrt(log(V::load(uniform + i)) * V(-2)) * V(double(stddev)), t = V::load(angle + i);
      (V(double(mean)) + r * cos(t)).store(out + i);
      (V(double(mean)) + r * sin(t)).store(out + kLanes + i);
    }
  }
}

void uniforms(const std::uint32_t* w, std::int64_t n, float low, float high, float below, float* out) {
  const float range = high - low;
  for (std::int64_t i = 0; i < n; ++i) {
    float v = low + range * (float(std::int32_t(w[i] >> 8)) * 0x1p-24f);
    out[i] = v < below ? v : below;
  }
}

void keep(const std::uint32_t* w, const float* x, std::int64_t n, std::uint32_t threshold, float scale, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = w[i] >= threshold ? x[i] * scale : 0.0f;
}

}  // namespace

extern const RandomFns random_fns;
const RandomFns random_fns = {words, normals, uniforms, keep};

}  // namespace tapir::cpu::TAPIR_ISA
