// Every algorithm in every direction against loops in f64, over a table of odd shapes.
#include <doctest/doctest.h>
#include <tapir/backends/cpu/conv_cut.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/tapir.h>

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
    y.assign(dy.size(), 0), dx.assign(x.size(), 0), dw.assign(w.size(), 0);
    compute();
  }

  // Seven loops over [n][od][oh][ow][k][kd][kh][kw][c].
  void compute() {
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

// Runs one entry; the result starts as NaN so that what it leaves out shows.
double error_of(const cpu::ConvEntry& e, const Reference& r, ConvDirection d) {
  auto make = [&](const std::vector<double>& v, const Shape& s) { return Tensor::from_vector(v, s).astype(r.p.dtype); };
  auto nans = [&](const Shape& s) { return make(std::vector<double>(std::size_t(s.size()), std::nan("")), s); };
  Tensor x = d == ConvDirection::input_gradient ? nans(r.x_shape) : make(r.x, r.x_shape);
  Tensor w = d == ConvDirection::kernel_gradient ? nans(r.w_shape) : make(r.w, r.w_shape);
  Tensor y = d == ConvDirection::forward ? nans(r.y_shape) : make(r.dy, r.y_shape);
  // Three times: the second call may keep a packed kernel, the third may use it.
  for (int i = 0; i < 3; ++i)
    e.run(r.p, d, {x.mutable_data<std::byte>(), w.mutable_data<std::byte>(), y.mutable_data<std::byte>(), w.id()});
  if (d == ConvDirection::forward) return relative_error(y, r.y);
  return d == ConvDirection::input_gradient ? relative_error(x, r.dx) : relative_error(w, r.dw);
}

constexpr ConvDirection directions[] = {ConvDirection::forward, ConvDirection::input_gradient,
                                        ConvDirection::kernel_gradient};
constexpr const char* direction_names[] = {"forward", "input gradient", "kernel gradient"};

}  // namespace

TEST_CASE("every algorithm in every direction against loops in f64") {
  unsigned seed = 1;
  for (DType dtype : {DType::f32, DType::f64})
    for (auto& c : cases) {
      Reference r(c, seed++, dtype);
      for (auto* e : cpu::conv_entries())
        for (auto d : directions) {
          if (!e->refuses(r.p, d).empty()) continue;
          INFO(c.name << ", " << name_of(e->algorithm) << ", " << direction_names[int(d)] << ", " << name_of(dtype));
          CHECK(error_of(*e, r, d) <= (dtype == DType::f32 ? 5e-6 : 1e-14));
        }
    }
}

TEST_CASE("long sums keep the promised error") {
  Reference r({"long", {8, 66, 66, 1}, {3, 3, 1, 16}, {1, 1}, {1, 1}}, 99, DType::f32);
  for (auto* e : cpu::conv_entries())
    for (auto d : directions) {
      if (!e->refuses(r.p, d).empty()) continue;
      INFO(name_of(e->algorithm) << ", " << direction_names[int(d)]);
      CHECK(error_of(*e, r, d) <= 5e-6);
    }
}

TEST_CASE("one thread and three give the promised error") {
  const int before = num_threads();
  for (int n : {1, 3}) {
    set_num_threads(n);
    for (auto& c : cases) {
      Reference r(c, 7, DType::f32);
      for (auto* e : cpu::conv_entries())
        for (auto d : directions) {
          if (!e->refuses(r.p, d).empty()) continue;
          INFO(c.name << ", " << name_of(e->algorithm) << ", " << direction_names[int(d)] << ", threads " << n);
          CHECK(error_of(*e, r, d) <= 5e-6);
        }
    }
  }
  set_num_threads(before);
}

TEST_CASE("winograd keeps its stated error for any number of channels, and with more threads than tiles") {
  const int before = num_threads();
  auto& winograd = *cpu::find_conv_entry(ConvAlgorithm::winograd);
  for (int n : {1, 16}) {
    set_num_threads(n);
    for (auto& c : {Case{"2048 channels", {1, 8, 8, 2048}, {3, 3, 2048, 4}, {1, 1}, {1, 1}, same},
                    Case{"2048 filters", {1, 8, 8, 4}, {3, 3, 4, 2048}, {1, 1}, {1, 1}, same},
                    Case{"long sums", {4, 64, 64, 4}, {3, 3, 4, 16}, {1, 1}, {1, 1}, same}}) {
      Reference r(c, 5, DType::f32);
      for (auto d : directions) {
        INFO(c.name << ", " << direction_names[int(d)] << ", threads " << n);
        CHECK(error_of(winograd, r, d) <= 2e-6);
      }
    }
  }
  set_num_threads(before);
}

TEST_CASE("winograd transforms a huge kernel in parts") {
  const Tensor x = random::normal({1, 30, 30, 1024}, {.seed = 1}), w = random::normal({3, 3, 1024, 1024}, {.seed = 2});
  const Tensor got = conv2d(x, w, {.algorithm = ConvAlgorithm::winograd}),
               want = conv2d(x, w, {.algorithm = ConvAlgorithm::im2col});
  const auto values = want.astype(DType::f64).to_vector<double>();
  CHECK(relative_error(got, values) <= 5e-6);
}

TEST_CASE("winograd finishes its output in pieces") {
  const int before = num_threads();
  for (int n : {1, 3}) {
    set_num_threads(n);
    // Many tiles go by rows, few by filters.
    for (auto& shape : {Shape{3, 45, 37, 16}, Shape{2, 30, 90, 16}, Shape{1, 6, 7, 16}}) {
      const Tensor x = random::normal(shape, {.seed = 1}), w = random::normal({3, 3, 16, 40}, {.seed = 2}),
                   bias = random::normal({40}, {.seed = 3});
      auto layer = [&](ConvAlgorithm algorithm) {
        return function([&, algorithm](const Tensor& a) {
          return relu(conv2d(a, w, {.padding = Padding::same, .algorithm = algorithm}) + bias);
        })(x);
      };
      const auto values = layer(ConvAlgorithm::reference).astype(DType::f64).to_vector<double>();
      INFO(shape.str() << ", threads " << n);
      CHECK(relative_error(layer(ConvAlgorithm::winograd), values) <= 5e-6);
    }
  }
  set_num_threads(before);
}

TEST_CASE("a NaN spreads over its tiles in winograd, and no further") {
  Tensor x = ones({1, 12, 12, 16});
  x.mutable_data<float>()[(5 * 12 + 5) * 16] = std::nanf("");
  const Tensor y = conv2d(x, ones({3, 3, 16, 16}), {.padding = Padding::same, .algorithm = ConvAlgorithm::winograd});
  const auto v = y.to_vector<float>();
  auto at = [&](int i, int j) { return v[std::size_t((i * 12 + j) * 16)]; };
  for (int i = 4; i <= 6; ++i)
    for (int j = 4; j <= 6; ++j) CHECK(std::isnan(at(i, j)));
  CHECK(at(9, 9) == doctest::Approx(144));
  CHECK(at(2, 10) == doctest::Approx(144));
}

TEST_CASE("winograd is taken where it pays") {
  auto taken = [](Shape x, Shape w, ConvOptions o = {.padding = Padding::same}) {
    return conv2d_plan(TensorSpec(x), TensorSpec(w), o).algorithm == ConvAlgorithm::winograd;
  };
  CHECK(taken({8, 56, 56, 64}, {3, 3, 64, 64}));
  CHECK(taken({8, 7, 7, 512}, {3, 3, 512, 512}));
  CHECK(!taken({1, 3, 3, 512}, {3, 3, 512, 512}));  // transforming the kernel would take longer
  CHECK(!taken({8, 56, 56, 3}, {3, 3, 3, 64}));
  CHECK(!taken({8, 56, 56, 64}, {3, 3, 64, 64}, {.strides = {2, 2}, .padding = Padding::same}));
}

TEST_CASE("a convolution cut in parts is the same convolution") {
  auto last = cpu::conv_entries().back();
  for (auto& c : cases) {
    Reference r(c, 11, DType::f64);
    for (auto d : directions)
      for (std::int64_t wanted : {1, 2, 3, 5, 8, 100}) {
        const cpu::ConvCut cut(r.p, d, wanted);
        INFO(c.name << ", " << direction_names[int(d)] << ", in " << wanted << ", which gave " << cut.parts());
        CHECK(cut.parts() >= 1);
        auto x = r.x, w = r.w, y = r.dy, sum = std::vector<double>(r.w.size(), 0.0);
        if (d == ConvDirection::forward) std::fill(y.begin(), y.end(), std::nan(""));
        if (d == ConvDirection::input_gradient) std::fill(x.begin(), x.end(), std::nan(""));
        for (std::int64_t i = 0; i < cut.parts(); ++i) {
          const auto part = cut.part(i);
          last->run(part.problem, d, {x.data() + part.x, w.data(), y.data() + part.y});
          for (std::size_t k = 0; k < w.size(); ++k) sum[k] += w[k];
        }
        auto error = [](const std::vector<double>& got, const std::vector<double>& want) {
          return relative_error(Tensor::from_vector(got, {std::int64_t(got.size())}), want);
        };
        if (d == ConvDirection::forward) CHECK(error(y, r.y) <= 1e-14);
        else if (d == ConvDirection::input_gradient) CHECK(error(x, r.dx) <= 1e-14);
        else CHECK(error(sum, r.dw) <= 1e-14);
      }
  }
  // Images where there are enough, else rows of each.
  const Reference wide({"", {2, 40, 4, 2}, {3, 3, 2, 2}, {1, 1}, {1, 1}, same}, 1, DType::f64);
  CHECK(cpu::ConvCut(wide.p, ConvDirection::forward, 2).parts() == 2);
  CHECK(cpu::ConvCut(wide.p, ConvDirection::forward, 8).parts() == 8);
  CHECK(cpu::ConvCut(wide.p, ConvDirection::input_gradient, 8).parts() == 8);
}

TEST_CASE("the list ends in one that can do everything") {
  auto last = cpu::conv_entries().back();
  CHECK(last->algorithm == ConvAlgorithm::reference);
  for (auto& c : cases)
    for (auto d : directions) {
      Reference r(c, 1, DType::f32);
      CHECK(last->refuses(r.p, d).empty());
      CHECK(cpu::choose_conv(r.p, d, ConvAlgorithm::automatic).refuses(r.p, d).empty());
    }
}
