// Convolutions drawn by seed from ranges, a few of each kind, so that nothing is tuned to one shape.
#pragma once
#include <tapir/tapir.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace bench {

struct ConvShape {
  std::string kind;
  std::int64_t n, size, channels, kernel, stride, dilation, groups, filters, pad;

  std::string name() const {
    std::string s = "sweep " + kind + ": " + std::to_string(n) + "x" + std::to_string(channels) + "x" +
                    std::to_string(size) + " -> " + std::to_string(filters) + ", " + std::to_string(kernel) + "x" +
                    std::to_string(kernel);
    auto add = [&](const char* what, std::int64_t v, std::int64_t usual) {
      if (v != usual) s += what + std::to_string(v);
    };
    add(" stride ", stride, 1), add(" dilation ", dilation, 1), add(" groups ", groups, 1), add(" pad ", pad, 0);
    return s;
  }
  std::int64_t out() const { return (size + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1; }
  double flops() const {
    return 2.0 * double(n * out() * out()) * double(kernel * kernel * channels / groups * filters);
  }
  double floats() const { return double(n) * double(size * size * channels + out() * out() * filters); }
  tapir::ConvOptions options() const {
    return {.strides = {stride, stride},
            .padding = tapir::Padding({{pad, pad}, {pad, pad}}),
            .dilations = {dilation, dilation},
            .groups = groups};
  }
};

class ConvDraw {
 public:
  explicit ConvDraw(unsigned seed) : random_(seed) {}

  std::vector<ConvShape> all() {
    std::vector<ConvShape> shapes;
    auto take = [&](int count, auto&& draw) {
      while (count)
        if (ConvShape s = draw(); fits(s)) shapes.push_back(s), --count;
    };
    take(12, [&] { return usual("3x3 of 64 and more", 64, 512, 3); });
    take(8, [&] { return usual("3x3 of less", 5, 63, 3); });
    take(8, [&] { return strided(usual("3x3 stride 2", 16, 512, 3)); });
    take(10, [&] { return usual("1x1", 8, 512, 1); });
    take(6, [&] { return strided(usual("1x1 stride 2", 16, 512, 1)); });
    take(8, [&] { return maybe_strided(usual("5x5", 5, 256, 5)); });
    take(6, [&] { return maybe_strided(usual("7x7", 5, 128, 7)); });
    take(12, [&] {
      ConvShape s = maybe_strided(usual("first layers", 8, 96, 3 + 2 * below(3)));
      s.size = between(24, 224);
      s.channels = 1 + below(4);
      return s;
    });
    take(6, [&] {
      ConvShape s = usual("dilated", 8, 256, 3 + 2 * below(2));
      s.dilation = 2 + below(3);
      s.pad = below(2) ? s.dilation * (s.kernel - 1) / 2 : 0;
      return s;
    });
    take(8, [&] {
      ConvShape s = maybe_strided(usual("grouped", 1, 1, 1 + 2 * below(3)));
      s.groups = std::int64_t(2) << below(5);
      s.channels = s.groups * channels(2, 512 / s.groups);
      s.filters = s.groups * channels(2, 512 / s.groups);
      return s;
    });
    take(10, [&] {
      ConvShape s = maybe_strided(usual("depthwise", 8, 512, 3 + 2 * below(3)));
      s.groups = s.filters = s.channels;
      return s;
    });
    return shapes;
  }

 private:
  std::int64_t below(std::int64_t n) { return std::int64_t(random_() % std::uint64_t(n)); }
  // Each octave is as likely as another.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    const double u = double(random_()) / 4294967296.0;
    return std::int64_t(double(low) * std::pow(double(high + 1) / double(low), u));
  }
  std::int64_t channels(std::int64_t low, std::int64_t high) {  // three in four: a multiple of 8, if there is one
    const std::int64_t c = between(low, high);
    return below(4) && c >= 8 ? c / 8 * 8 : c;
  }
  ConvShape usual(const char* kind, std::int64_t low, std::int64_t high, std::int64_t kernel) {
    ConvShape s{kind, between(1, 32), between(7, 112), channels(low, high), kernel, 1, 1, 1, channels(low, high), 0};
    s.pad = below(4) ? kernel / 2 : 0;  // same, or valid
    return s;
  }
  ConvShape strided(ConvShape s) { return s.stride = 2, s; }
  ConvShape maybe_strided(ConvShape s) { return s.stride = 1 + below(2), s; }
  // Smaller batches where there is too much to do.
  static bool fits(ConvShape& s) {
    constexpr double most = 0.3e9, most_floats = 8e6;
    if (s.size + 2 * s.pad < (s.kernel - 1) * s.dilation + 1) return false;
    while (s.n > 1 && (s.flops() > most || s.floats() > most_floats)) --s.n;
    return s.flops() <= most && s.floats() <= most_floats;
  }
  std::mt19937 random_;
};

}  // namespace bench
