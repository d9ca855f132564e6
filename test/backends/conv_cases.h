// A table of odd convolutions, what their definition gives in f64, and how far an algorithm is off.
#pragma once
#include <tapir/backends/cpu/conv.h>
#include <tapir/tapir.h>

#include <algorithm>
#include <cmath>
#include <random>

using namespace tapir;

namespace {

struct Case {
  const char* name;
  Shape x, kernel;  // [N, ..., C], [..., C / groups, K]
  Shape strides, dilations;
  Padding padding = Padding::valid;
  std::int64_t groups = 1;
};

const Padding same = Padding::same, valid = Padding::valid;
const Case cases[] = {
    {"digits", {3, 28, 28, 1}, {3, 3, 1, 32}, {1, 1}, {1, 1}},
    {"digits, one image", {1, 28, 28, 1}, {3, 3, 1, 32}, {1, 1}, {1, 1}, same},
    {"rgb", {2, 17, 23, 3}, {7, 7, 3, 64}, {2, 2}, {1, 1}, same},
    {"rgb, odd outputs", {2, 9, 12, 3}, {3, 3, 3, 17}, {1, 1}, {1, 1}, {{1, 0}, {2, 3}}},
    {"two channels", {2, 11, 10, 2}, {3, 5, 2, 24}, {1, 2}, {2, 1}, same},
    {"four channels, wide", {1, 3, 70, 4}, {3, 3, 4, 8}, {1, 1}, {1, 1}},
    {"one output", {2, 6, 7, 3}, {3, 3, 3, 1}, {1, 1}, {1, 1}, same},
    {"3x3", {2, 14, 13, 32}, {3, 3, 32, 48}, {1, 1}, {1, 1}, same},
    {"3x3, ragged", {2, 13, 11, 17}, {3, 3, 17, 23}, {1, 1}, {1, 1}, {{1, 0}, {2, 1}}},
    {"3x3, small images", {5, 2, 2, 37}, {3, 3, 37, 70}, {1, 1}, {1, 1}, same},
    {"3x3, one pixel", {1, 3, 3, 20}, {3, 3, 20, 16}, {1, 1}, {1, 1}},
    {"3x3, one row", {1, 1, 19, 16}, {3, 3, 16, 40}, {1, 1}, {1, 1}, same},
    {"3x3, padding over the kernel", {1, 4, 5, 18}, {3, 3, 18, 33}, {1, 1}, {1, 1}, {{3, 4}, {5, 0}}},
    {"3x3, many channels", {1, 8, 9, 330}, {3, 3, 330, 48}, {1, 1}, {1, 1}, same},
    {"3x3, many filters", {2, 12, 12, 16}, {3, 3, 16, 330}, {1, 1}, {1, 1}, same},
    {"3x3, many tiles", {3, 40, 36, 16}, {3, 3, 16, 16}, {1, 1}, {1, 1}, same},
    {"stride 2", {2, 15, 14, 16}, {3, 3, 16, 32}, {2, 2}, {1, 1}, same},
    {"stride 3 over kernel 2", {2, 10, 11, 5}, {2, 2, 5, 7}, {3, 3}, {1, 1}},
    {"stride 2 and 3", {1, 12, 13, 8}, {3, 4, 8, 16}, {2, 3}, {1, 1}, same},
    {"dilation 2", {2, 12, 11, 16}, {3, 3, 16, 16}, {1, 1}, {2, 2}, same},
    {"dilation 2, stride 2", {1, 13, 12, 6}, {3, 2, 6, 10}, {2, 2}, {2, 1}},
    {"groups", {2, 8, 9, 32}, {3, 3, 16, 64}, {1, 1}, {1, 1}, same, 2},
    {"odd groups", {2, 7, 6, 6}, {3, 2, 2, 9}, {2, 1}, {1, 1}, same, 3},
    {"depthwise", {2, 10, 9, 24}, {3, 3, 1, 24}, {1, 1}, {1, 1}, same, 24},
    {"depthwise, odd", {2, 10, 9, 13}, {5, 3, 1, 13}, {2, 1}, {1, 2}, same, 13},
    {"depthwise, two each", {1, 8, 9, 5}, {3, 3, 1, 10}, {1, 1}, {1, 1}, valid, 5},
    {"depthwise, stride 3 over kernel 2", {2, 11, 10, 20}, {2, 2, 1, 20}, {3, 3}, {1, 1}, valid, 20},
    {"depthwise, stride 2", {2, 15, 16, 40}, {3, 3, 1, 40}, {2, 2}, {1, 1}, same, 40},
    {"depthwise, kernel over input", {2, 3, 2, 17}, {7, 5, 1, 17}, {2, 1}, {1, 1}, same, 17},
    {"depthwise, padding over the kernel", {1, 4, 5, 8}, {2, 2, 1, 8}, {1, 2}, {2, 1}, {{3, 3}, {4, 0}}, 8},
    {"depthwise, 1d", {2, 33, 9}, {4, 1, 9}, {3}, {2}, same, 9},
    {"unequal padding", {1, 6, 7, 3}, {3, 3, 3, 5}, {2, 1}, {1, 1}, {{0, 3}, {2, 1}}},
    {"padding over the kernel", {1, 4, 4, 2}, {2, 2, 2, 3}, {1, 1}, {1, 1}, {{3, 3}, {4, 0}}},
    {"kernel over input", {2, 2, 3, 4}, {5, 5, 4, 6}, {1, 1}, {1, 1}, same},
    {"even kernel", {2, 9, 8, 7}, {4, 2, 7, 3}, {1, 1}, {1, 1}, same},
    {"1x1", {2, 9, 8, 64}, {1, 1, 64, 33}, {1, 1}, {1, 1}},
    {"1x1, stride 2", {2, 9, 8, 16}, {1, 1, 16, 32}, {2, 2}, {1, 1}, same},
    {"1x1, groups", {2, 5, 4, 12}, {1, 1, 4, 6}, {1, 1}, {1, 1}, valid, 3},
    {"1x1, stride 2 and 3 with groups", {2, 7, 8, 12}, {1, 1, 4, 9}, {2, 3}, {1, 1}, valid, 3},
    {"1x1, padded", {2, 5, 4, 6}, {1, 1, 6, 8}, {1, 1}, {1, 1}, {{1, 0}, {0, 2}}},
    {"1x1, many pixels", {3, 24, 25, 5}, {1, 1, 5, 7}, {1, 1}, {1, 1}},
    {"1x1 in three dimensions, stride 2", {2, 3, 4, 5, 6}, {1, 1, 1, 6, 5}, {2, 1, 2}, {1, 1, 1}},
    {"dilation 2, wide rows", {1, 9, 50, 260}, {3, 3, 260, 8}, {1, 1}, {2, 2}, same},
    {"groups of many filters", {2, 9, 8, 6}, {3, 3, 3, 50}, {1, 1}, {1, 1}, same, 2},
    {"many small groups, stride 2", {2, 19, 18, 32}, {5, 5, 2, 48}, {2, 2}, {1, 1}, same, 16},
    {"1x1 of 1 channel", {2, 5, 4, 1}, {1, 1, 1, 3}, {1, 1}, {1, 1}},
    {"1d", {3, 50, 12}, {5, 12, 20}, {2}, {1}, same},
    {"1d, one channel", {3, 50, 1}, {9, 1, 16}, {1}, {3}, same},
    {"1d, groups", {2, 19, 8}, {3, 4, 6}, {1}, {2}, valid, 2},
    {"3d", {2, 5, 6, 7, 3}, {3, 2, 3, 3, 8}, {1, 2, 1}, {1, 1, 2}, same},
    {"3d, groups", {1, 4, 5, 6, 4}, {2, 3, 2, 2, 6}, {2, 1, 1}, {1, 1, 1}, valid, 2},
    {"many channels", {1, 5, 5, 300}, {3, 3, 300, 40}, {1, 1}, {1, 1}, same},
    {"many pixels", {4, 40, 41, 3}, {3, 3, 3, 16}, {1, 1}, {1, 1}, same},
};

// The problem with random x, kernel and dy, and what the definition gives in each direction.
struct Reference {
  cpu::ConvProblem p;
  Shape x_shape, w_shape, y_shape;
  std::vector<double> x, w, dy, y, dx, dw;

  Reference(const Case& c, unsigned seed, DType dtype) : x_shape(c.x), w_shape(c.kernel) {
    ConvAttrs a;
    a.strides = c.strides, a.dilations = c.dilations, a.groups = c.groups;
    y_shape.push_back(c.x[0]);
    for (int d = 0; d < c.strides.rank(); ++d) {
      auto win = detail::window_of("test", c.padding, d, c.x[1 + d], c.kernel[d], c.strides[d], c.dilations[d]);
      a.before.push_back(win.before), a.after.push_back(win.after);
      y_shape.push_back(win.output);
    }
    y_shape.push_back(c.kernel.back());
    p = cpu::conv_problem(x_shape, w_shape, y_shape, a, dtype);
    std::mt19937 gen(seed);
    std::normal_distribution<float> normal;
    auto fill = [&](std::vector<double>& v, const Shape& s) {
      v.resize(std::size_t(s.size()));
      for (auto& e : v) e = normal(gen);
    };
    fill(x, x_shape), fill(w, w_shape), fill(dy, y_shape);
    compute();
  }

  // Seven loops over [n][od][oh][ow][k][kd][kh][kw][c].
  void compute() {
    y.assign(dy.size(), 0), dx.assign(x.size(), 0), dw.assign(w.size(), 0);
    const auto cg = p.c / p.groups, kg = p.k / p.groups;
    std::size_t iy = 0;
    for (std::int64_t n = 0; n < p.n; ++n)
      for (std::int64_t od = 0; od < p.out[0]; ++od)
        for (std::int64_t oh = 0; oh < p.out[1]; ++oh)
          for (std::int64_t ow = 0; ow < p.out[2]; ++ow)
            for (std::int64_t k = 0; k < p.k; ++k, ++iy)
              for (std::int64_t kd = 0; kd < p.kernel[0]; ++kd)
                for (std::int64_t kh = 0; kh < p.kernel[1]; ++kh)
                  for (std::int64_t kw = 0; kw < p.kernel[2]; ++kw) {
                    const auto i = od * p.stride[0] + kd * p.dilation[0] - p.before[0];
                    const auto j = oh * p.stride[1] + kh * p.dilation[1] - p.before[1];
                    const auto l = ow * p.stride[2] + kw * p.dilation[2] - p.before[2];
                    if (i < 0 || j < 0 || l < 0 || i >= p.in[0] || j >= p.in[1] || l >= p.in[2]) continue;
                    for (std::int64_t c = 0; c < cg; ++c) {
                      const auto pixel = ((n * p.in[0] + i) * p.in[1] + j) * p.in[2] + l;
                      const auto tap = (kd * p.kernel[1] + kh) * p.kernel[2] + kw;
                      const auto ix = std::size_t(pixel * p.c + k / kg * cg + c),
                                 iw = std::size_t((tap * cg + c) * p.k + k);
                      y[iy] += x[ix] * w[iw];
                      dx[ix] += dy[iy] * w[iw];
                      dw[iw] += dy[iy] * x[ix];
                    }
                  }
  }
};

double relative_error(const Tensor& t, const std::vector<double>& want) {
  auto got = t.astype(DType::f64).to_vector<double>();
  double num = 0, den = 0;
  for (std::size_t i = 0; i < want.size(); ++i)
    num += (got[i] - want[i]) * (got[i] - want[i]), den += want[i] * want[i];
  return std::sqrt(num / (den > 0 ? den : 1));
}

// What one entry gives; the result starts as NaN so that what it leaves out shows.
Tensor result_of(const cpu::ConvEntry& e, const Reference& r, ConvDirection d) {
  auto make = [&](const std::vector<double>& v, const Shape& s) { return Tensor::from_vector(v, s).astype(r.p.dtype); };
  auto nans = [&](const Shape& s) { return make(std::vector<double>(std::size_t(s.size()), std::nan("")), s); };
  Tensor x = d == ConvDirection::input_gradient ? nans(r.x_shape) : make(r.x, r.x_shape);
  Tensor w = d == ConvDirection::kernel_gradient ? nans(r.w_shape) : make(r.w, r.w_shape);
  Tensor y = d == ConvDirection::forward ? nans(r.y_shape) : make(r.dy, r.y_shape);
  // Three times: the second call may keep a packed kernel, the third may use it.
  for (int i = 0; i < 3; ++i)
    e.run(r.p, d, {x.mutable_data<std::byte>(), w.mutable_data<std::byte>(), y.mutable_data<std::byte>(), w.id()});
  return d == ConvDirection::forward ? y : d == ConvDirection::input_gradient ? x : w;
}
inline const std::vector<double>& wanted(const Reference& r, ConvDirection d) {
  return d == ConvDirection::forward ? r.y : d == ConvDirection::input_gradient ? r.dx : r.dw;
}
inline double error_of(const cpu::ConvEntry& e, const Reference& r, ConvDirection d) {
  return relative_error(result_of(e, r, d), wanted(r, d));
}

constexpr ConvDirection directions[] = {ConvDirection::forward, ConvDirection::input_gradient,
                                        ConvDirection::kernel_gradient};
constexpr const char* direction_names[] = {"forward", "input gradient", "kernel gradient"};

}  // namespace
