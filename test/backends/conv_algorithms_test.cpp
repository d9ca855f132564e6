// Every algorithm in every direction against loops in f64, over a table of odd shapes.
#include <doctest/doctest.h>
#include <tapir/backends/cpu/conv_cut.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/test/backends/conv_cases.h>

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
