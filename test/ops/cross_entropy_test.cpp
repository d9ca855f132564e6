#include <tapir/test/ops/golden.h>

using namespace golden;

TEST_CASE("cross entropies: TensorFlow's values and gradients") {
  Family family("ops");
  int seen = 0;
  for (auto& c : family.cases) {
    std::string name = c["name"], op = c["op"];
    if (op.find("cross_entropy") == std::string::npos) continue;
    CAPTURE(name);
    for (DType d : {DType::f32, DType::f64}) {
      if (d == DType::f64 && name.ends_with("_large")) continue;  // TensorFlow computed these in f32: 6e38 is infinite
      bool sparse = op.starts_with("sparse");
      Tensor labels = family.get(name, "labels"), logits = family.get(name, "logits").astype(d);
      if (!sparse) labels = labels.astype(d);
      GradientTape tape({.persistent = true});
      tape.watch(logits);
      if (!sparse) tape.watch(labels);
      Tensor y = sparse ? sparse_softmax_cross_entropy_with_logits(labels, logits)
                 : op.starts_with("sig")
                     ? sigmoid_cross_entropy_with_logits(labels, logits)
                     : softmax_cross_entropy_with_logits(labels, logits, c["attrs"]["axis"].get<int>());
      CHECK(distance(y, family.get(name, "y")) < 2e-6);
      Tensor dy = family.get(name, "dy").astype(d);
      // Labels of this case do not sum to 1 along the axis. TensorFlow's gradient assumes that they do; ours is that of
      // the formula, which gradcheck confirms below.
      bool sums_to_one = name != "softmax_xent_axis0";
      if (sums_to_one)
        CHECK(distance(tape.gradient(y, logits, GradientOptions{.output_gradients = dy}), family.get(name, "dlogits")) <
              2e-6);
      if (!sparse)
        CHECK(distance(tape.gradient(y, labels, GradientOptions{.output_gradients = dy}), family.get(name, "dlabels")) <
              4e-6);
      ++seen;
    }
  }
  CHECK(seen == 17);
}

TEST_CASE("cross entropies: against the formula in f64, sizes around registers, views") {
  for (std::int64_t classes : {1, 2, 10, 16, 17, 100}) {
    CAPTURE(classes);
    Tensor x = randn({7, classes}) * 5.0;
    std::vector<int> l;
    for (int i = 0; i < 7; ++i) l.push_back(int(rng() % unsigned(classes)));
    auto v = x.to_vector<double>();
    std::vector<double> want;
    for (std::size_t r = 0; r < 7; ++r) {
      double s = 0;
      for (std::size_t i = 0; i < std::size_t(classes); ++i) s += std::exp(v[r * std::size_t(classes) + i]);
      want.push_back(std::log(s) - v[r * std::size_t(classes) + std::size_t(l[r])]);
    }
    Tensor labels = Tensor::from_vector(l), expected = Tensor::from_vector(want);
    CHECK(distance(sparse_softmax_cross_entropy_with_logits(labels, x), expected) < 1e-13);
    CHECK(distance(sparse_softmax_cross_entropy_with_logits(labels.astype(DType::u8), x.astype(DType::f32)), expected) <
          2e-6);
    CHECK(distance(sparse_softmax_cross_entropy_with_logits(labels, x.astype(DType::f16)), expected) < 1e-2);
    Tensor view = permute_dims(contiguous(permute_dims(x, {1, 0})), {1, 0});
    CHECK(distance(sparse_softmax_cross_entropy_with_logits(labels, view), expected) < 1e-13);
  }
}

TEST_CASE("cross entropies: extreme logits") {
  Tensor x = tensor({{1e4f, -1e4f, 0.0f}, {-1e30f, -1e30f, -1e30f}, {80.0f, 0.0f, 0.0f}}), l = tensor({0, 1, 1});
  auto y = sparse_softmax_cross_entropy_with_logits(l, x).to_vector<float>();
  CHECK(y[0] == 0);
  CHECK(y[1] == doctest::Approx(std::log(3.0)));
  CHECK(y[2] == doctest::Approx(80));
  Tensor nan = tensor({{NAN, 1.0f}});
  CHECK(std::isnan(sparse_softmax_cross_entropy_with_logits(tensor({1}), nan).item<float>()));
  CHECK(std::isnan(softmax_cross_entropy_with_logits(tensor({{0.0f, 1.0f}}), nan).item<float>()));
  auto s = sigmoid_cross_entropy_with_logits(tensor({1.0f, 0.0f, 1.0f, 0.0f}), tensor({20.0f, 100.0f, -100.0f, 0.0f}))
               .to_vector<float>();
  CHECK(s[0] == doctest::Approx(2.0611537e-9).epsilon(1e-5));
  CHECK(s[1] == 100);
  CHECK(s[2] == 100);
  CHECK(s[3] == doctest::Approx(std::log(2.0)));
}

TEST_CASE("cross entropies: gradients of both orders") {
  Tensor l = tensor({2, 0, 1}), p = softmax(randn({3, 4}));
  check_gradient([&](const Tensor& x) { return sparse_softmax_cross_entropy_with_logits(l, x); }, randn({3, 4}));
  check_gradient([](const std::vector<Tensor>& in) { return softmax_cross_entropy_with_logits(in[0], in[1]); },
                 std::vector<Tensor>{p * 2.0, randn({3, 4})});
  check_gradient([](const std::vector<Tensor>& in) { return softmax_cross_entropy_with_logits(in[0], in[1], 0); },
                 std::vector<Tensor>{p, randn({3, 4})});
  check_gradient([](const std::vector<Tensor>& in) { return sigmoid_cross_entropy_with_logits(in[0], in[1]); },
                 std::vector<Tensor>{sigmoid(randn({3, 5})), randn({3, 5})});
  Tensor zero = zeros({3});
  GradientTape tape;
  tape.watch(zero);
  Tensor y = sigmoid_cross_entropy_with_logits(tensor({0.0f, 1.0f, 0.5f}), zero);
  CHECK(tape.gradient(y, zero).to_vector<float>() == std::vector<float>{0.5f, -0.5f, 0.0f});
}

TEST_CASE("cross entropies: empty and exact errors") {
  CHECK(sparse_softmax_cross_entropy_with_logits(zeros({0}, DType::i32), zeros({0, 3})).shape() == Shape{0});
  CHECK(softmax_cross_entropy_with_logits(zeros({0, 3}), zeros({0, 3})).shape() == Shape{0});
  for (auto [bad, text] : {std::pair{10, "10"}, {-1, "-1"}})
    check_error<UsageError>(
        [bad = bad] {
          sparse_softmax_cross_entropy_with_logits(tensor({0, bad}), zeros({2, 10}));
        },
        std::string(": sparse_softmax_cross_entropy_with_logits: label ") + text + " is out of range for 10 classes.");
  check_error<DTypeError>(
      [] {
        sparse_softmax_cross_entropy_with_logits(zeros({2}), zeros({2, 10}));
      },
      ": sparse_softmax_cross_entropy_with_logits: labels must be integers, got f32. Cast them: "
      "labels.astype(DType::i32), or use softmax_cross_entropy_with_logits.");
  check_error<ShapeError>(
      [] {
        sparse_softmax_cross_entropy_with_logits(zeros({3}, DType::i32), zeros({2, 10}));
      },
      ": sparse_softmax_cross_entropy_with_logits: labels must have the shape of logits without the "
      "last axis, got [3] and [2, 10].");
  check_error<ShapeError>(
      [] {
        softmax_cross_entropy_with_logits(zeros({2, 3}), zeros({2, 4}));
      },
      ": softmax_cross_entropy_with_logits: labels have shape [2, 3] but logits [2, 4].");
  check_error<DTypeError>([] { sigmoid_cross_entropy_with_logits(zeros({2}, DType::i32), zeros({2})); },
                          ": sigmoid_cross_entropy_with_logits: labels are i32 but logits are f32. Cast one side: "
                          "labels.astype(DType::f32).");
}
