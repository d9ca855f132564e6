// Losses beside real Keras: every case of test/golden/losses.json; dtypes, weights, reductions.
#include <tapir/test/ops/golden.h>

#include <map>

using namespace tapir;
using golden::distance;
using nlohmann::json;

namespace {

using LossFunction = Tensor (*)(const Operand&, const Operand&, const nn::LossOptions&);
struct Row {
  LossFunction function;
  const char* name;  // what nn::Loss takes
};

const std::map<std::string, Row> table{
    {"BinaryCrossentropy", {nn::binary_crossentropy, "binary_crossentropy"}},
    {"BinaryFocalCrossentropy", {nn::binary_focal_crossentropy, "binary_focal_crossentropy"}},
    {"CategoricalCrossentropy", {nn::categorical_crossentropy, "categorical_crossentropy"}},
    {"CategoricalFocalCrossentropy", {nn::categorical_focal_crossentropy, "categorical_focal_crossentropy"}},
    {"CategoricalGeneralizedCrossEntropy",
     {nn::categorical_generalized_cross_entropy, "categorical_generalized_cross_entropy"}},
    {"CategoricalHinge", {nn::categorical_hinge, "categorical_hinge"}},
    {"Circle", {nn::circle, "circle"}},
    {"CTC", {nn::ctc, "ctc"}},
    {"CosineSimilarity", {nn::cosine_similarity, "cosine_similarity"}},
    {"Dice", {nn::dice, "dice"}},
    {"Hinge", {nn::hinge, "hinge"}},
    {"Huber", {nn::huber, "huber"}},
    {"KLDivergence", {nn::kl_divergence, "kl_divergence"}},
    {"LogCosh", {nn::log_cosh, "log_cosh"}},
    {"MeanAbsoluteError", {nn::mean_absolute_error, "mean_absolute_error"}},
    {"MeanAbsolutePercentageError", {nn::mean_absolute_percentage_error, "mean_absolute_percentage_error"}},
    {"MeanSquaredError", {nn::mean_squared_error, "mean_squared_error"}},
    {"MeanSquaredLogarithmicError", {nn::mean_squared_logarithmic_error, "mean_squared_logarithmic_error"}},
    {"Poisson", {nn::poisson, "poisson"}},
    {"SparseCategoricalCrossentropy", {nn::sparse_categorical_crossentropy, "sparse_categorical_crossentropy"}},
    {"SquaredHinge", {nn::squared_hinge, "squared_hinge"}},
    {"Tversky", {nn::tversky, "tversky"}},
};

nn::LossOptions options_of(const json& attrs) {
  nn::LossOptions o;
  for (auto& [key, v] : attrs.items()) {
    if (key == "reduction") o.reduction = v == "sum" ? nn::Reduction::sum : nn::Reduction::mean;
    else if (key == "delta") o.delta = v;
    else if (key == "axis" && v.is_array())
      for (int axis : v.get<std::vector<int>>()) o.axes.push_back(axis);
    else if (key == "axis") o.axis = v;
    else if (key == "beta") o.beta = v;
    else if (key == "q") o.q = v;
    else if (key == "margin") o.margin = v;
    else if (key == "remove_diagonal") o.remove_diagonal = v;
    else if (key == "from_logits") o.from_logits = v;
    else if (key == "label_smoothing") o.label_smoothing = v;
    else if (key == "gamma") o.gamma = v.get<double>();
    else if (key == "alpha") o.alpha = v.get<double>();
    else if (key == "apply_class_balancing") o.apply_class_balancing = v;
    else if (key == "ignore_class") o.ignore_class = v.get<std::int64_t>();
    else FAIL("no option " << key);
  }
  return o;
}

const golden::Family& family() {
  static const golden::Family f = [] {
    golden::Family all("losses"), more("more_losses");
    for (auto& c : more.cases) all.cases.push_back(c);
    all.arrays.insert(all.arrays.end(), more.arrays.begin(), more.arrays.end());
    return all;
  }();
  return f;
}

}  // namespace

TEST_CASE("values and gradients are those of Keras") {
  for (auto& c : family().cases) {
    const std::string name = c["name"], op = c["op"];
    INFO(name);
    auto get = [&](const std::string& field) { return family().get(name, field); };
    REQUIRE_MESSAGE(table.contains(op), "no loss " << op);
    nn::LossOptions o = options_of(c["attrs"]);
    const Tensor t = get("y_true"), p = get("y_pred");
    if (io::contains(family().arrays, name + ".sample_weight")) o.sample_weight = get("sample_weight");
    GradientTape tape;
    tape.watch(p);
    const Tensor loss = table.at(op).function(t, p, o);
    CHECK(loss.dtype() == DType::f32);
    CHECK(distance(loss, get("loss")) < 3e-6);
    CHECK(distance(tape.gradient(loss, p), get("dy_pred")) < 3e-6);
    const Tensor by_name = nn::Loss(table.at(op).name, options_of(c["attrs"]))(t, p, o.sample_weight);
    CHECK(distance(by_name, loss) == 0);
    auto traced = function([&](const Tensor& u, const Tensor& v) { return table.at(op).function(u, v, o); });
    CHECK(distance(traced(t, p), get("loss")) < 3e-6);
    o.reduction = nn::Reduction::none;
    CHECK(distance(table.at(op).function(t, p, o), get("loss_each")) < 3e-6);
  }
}

TEST_CASE("f64 stays f64 and halves are computed in f32") {
  for (auto& c : family().cases) {
    const std::string name = c["name"], op = c["op"];
    INFO(name);
    nn::LossOptions o = options_of(c["attrs"]);
    const Tensor t = family().get(name, "y_true"), p = family().get(name, "y_pred");
    if (name.find("saturated") != std::string::npos || name.find("large") != std::string::npos)
      continue;  // 1e-7 beside 1 is f32's
    if (io::contains(family().arrays, name + ".sample_weight")) o.sample_weight = family().get(name, "sample_weight");
    const LossFunction f = table.at(op).function;
    const Tensor wide = f(t, p.astype(DType::f64), o);
    CHECK(wide.dtype() == DType::f64);
    CHECK(distance(wide, family().get(name, "loss")) < 3e-6);
    const Tensor rounded = p.astype(DType::f16), half = f(t, rounded, o);
    CHECK(half.dtype() == DType::f32);
    CHECK(distance(half, f(t, rounded.astype(DType::f32), o)) == 0);
  }
}

TEST_CASE("a traced loss and its gradient are the eager ones") {
  for (auto& c : family().cases) {
    const std::string name = c["name"], op = c["op"];
    INFO(name);
    const nn::LossOptions o = options_of(c["attrs"]);
    const Tensor t = family().get(name, "y_true"), p = family().get(name, "y_pred");
    auto traced =
        function([&](const Tensor& y_true, const Tensor& y_pred) { return table.at(op).function(y_true, y_pred, o); });
    GradientTape tape;
    tape.watch(p);
    const Tensor loss = traced(t, p);
    GradientTape eager_tape;
    eager_tape.watch(p);
    const Tensor eager = table.at(op).function(t, p, o);
    CHECK(distance(loss, eager) < 1e-6);
    CHECK(distance(tape.gradient(loss, p), eager_tape.gradient(eager, p)) < 1e-6);
  }
}

TEST_CASE("gradients against central differences, also of the second order") {
  std::mt19937& r = golden::rng;
  r.seed(5);
  const Tensor a = golden::randn({3, 4}), b = golden::randn({3, 4});
  const Tensor p = softmax(a), q = softmax(b), u = 0.05 + 0.9 * sigmoid(a), v = sigmoid(b), classes = tensor({2, 0, 3});
  auto check = [&](LossFunction f, const Tensor& t, const Tensor& y, const nn::LossOptions& o = {}) {
    golden::check_gradient([&](const Tensor& x) { return f(t, x, o); }, y, {.order = 2, .tolerance = 1e-5});
  };
  for (LossFunction f : {nn::mean_squared_error, nn::log_cosh, nn::cosine_similarity, nn::hinge, nn::huber})
    check(f, a, b);
  for (LossFunction f : {nn::mean_squared_logarithmic_error, nn::poisson, nn::mean_absolute_percentage_error})
    check(f, u, v);
  for (LossFunction f : {nn::categorical_crossentropy, nn::kl_divergence, nn::categorical_focal_crossentropy})
    check(f, p, q, {.label_smoothing = 0.1});
  for (LossFunction f : {nn::binary_crossentropy, nn::binary_focal_crossentropy}) {
    check(f, u, v, {.label_smoothing = 0.2});
    check(f, u, b, {.from_logits = true});
  }
  check(nn::binary_focal_crossentropy, u, v, {.gamma = 1.5, .alpha = 0.3, .apply_class_balancing = true});
  check(nn::sparse_categorical_crossentropy, classes, q);
  check(nn::sparse_categorical_crossentropy, classes, b, {.from_logits = true, .ignore_class = 3});
  check(nn::categorical_crossentropy, p, b, {.from_logits = true, .reduction = nn::Reduction::sum});
}

TEST_CASE("sample weights: one for each example, for each value, or as a column; gradients do not count them twice") {
  const Tensor t = random::normal({4, 3, 2}, {.seed = 1}), p = random::normal({4, 3, 2}, {.seed = 2});
  const Tensor each = nn::mean_squared_error(t, p, {.reduction = nn::Reduction::none}),
               w = tensor({1.0f, 0.0f, 2.0f, 0.5f});
  CHECK(each.shape() == Shape({4, 3}));
  auto weighted = [&](const Tensor& weight, nn::Reduction r = nn::Reduction::none) {
    return nn::mean_squared_error(t, p, {.reduction = r, .sample_weight = weight});
  };
  CHECK(distance(weighted(w), each * reshape(w, {4, 1})) == 0);
  CHECK(distance(weighted(reshape(w, {4, 1})), weighted(w)) == 0);
  CHECK(distance(weighted(reshape(w, {4, 1, 1})), weighted(w)) == 0);
  CHECK(distance(weighted(w, nn::Reduction::mean), sum(weighted(w)) / 12) < 1e-6);  // by the count, not by the weights
  CHECK(distance(weighted(tensor({1, 0, 2, 3})), each * tensor({{1.0f}, {0.0f}, {2.0f}, {3.0f}})) == 0);  // integers
  const Tensor full = random::uniform({4, 3}, {.seed = 3});
  CHECK(distance(weighted(full), each * full) == 0);
}

TEST_CASE("y_true and y_pred may differ by a last dimension of 1, and in dtype") {
  const Tensor p = random::uniform({5, 1}, {.seed = 1}), t = tensor({0, 1, 1, 0, 1});
  for (LossFunction f : {nn::mean_squared_error, nn::binary_crossentropy, nn::hinge, nn::binary_focal_crossentropy}) {
    const Tensor column = f(reshape(t, {5, 1}), p, {});
    CHECK(distance(f(t, p, {}), column) == 0);
    CHECK(distance(f(reshape(t, {5, 1}), reshape(p, {5}), {}), column) == 0);
    CHECK(distance(f(t.astype(DType::boolean), p, {}), column) == 0);
  }
  CHECK(nn::mean_squared_error(1.0f, 3.0f).item<float>() == 4);  // numbers
}

TEST_CASE("no examples: the sum is 0, the mean NaN, the values none") {
  for (auto& [op, row] : table) {
    INFO(op);
    const bool sparse =
        op == "SparseCategoricalCrossentropy" || op == "CategoricalGeneralizedCrossEntropy" || op == "Circle";
    if (op == "CTC") continue;  // of sequences
    const Axes axes = op == "Dice" || op == "Tversky" ? Axes{1} : Axes{};
    const Tensor t = sparse ? zeros({0}, DType::i64) : zeros({0, 3}), p = zeros({0, 3});
    CHECK(row.function(t, p, {.axes = axes, .reduction = nn::Reduction::sum}).item<float>() == 0);
    CHECK(row.function(t, p, {.axes = axes, .reduction = nn::Reduction::none}).shape() == Shape({0}));
    const float mean = row.function(t, p, {.axes = axes}).item<float>();
    CHECK((op == "Circle" ? mean == 0 : std::isnan(mean)));  // it counts those that have a loss
  }
}

TEST_CASE("ignored classes: labels out of range, weights, all of them") {
  const Tensor logits = random::normal({4, 3}, {.seed = 4}), t = tensor({2, -1, 0, -1}),
               w = tensor({1.0f, 5.0f, 3.0f, 5.0f});
  const Tensor kept = take(logits, tensor({0, 2}), 0), labels = tensor({2, 0});
  auto ignoring = [&](const Tensor& classes, nn::LossOptions o = {}) {
    o.from_logits = true, o.ignore_class = -1;
    return nn::sparse_categorical_crossentropy(classes, logits, o);
  };
  CHECK(distance(ignoring(t), nn::sparse_categorical_crossentropy(labels, kept, {.from_logits = true})) < 1e-6);
  CHECK(distance(ignoring(t, {.sample_weight = w}),
                 nn::sparse_categorical_crossentropy(
                     labels, kept, {.from_logits = true, .sample_weight = tensor({1.0f, 3.0f})})) < 1e-6);
  CHECK(ignoring(t, {.reduction = nn::Reduction::none})[1].item<float>() == 0);
  CHECK(ignoring(full({4}, -1, DType::i64)).item<float>() == 0);
}

TEST_CASE("a softmax or sigmoid that ran last within fit is undone: no loss of digits far out") {
  nn::Sequential model{nn::Dense(2, {.activation = "softmax", .use_bias = false})};
  model.build({2});
  model.variables()[0].assign(tensor({{100.0f, 0.0f}, {0.0f, 100.0f}}));
  model.compile({.loss = "sparse_categorical_crossentropy"});
  CHECK(model.evaluate(tensor({{1.0f, 0.0f}}), tensor({1}))["loss"] ==
        doctest::Approx(100));  // 16.1 from the clipped 0
  nn::Sequential yes_no{nn::Dense(1, {.activation = "sigmoid", .use_bias = false})};
  yes_no.build({1});
  yes_no.variables()[0].assign(tensor({{50.0f}}));
  yes_no.compile({.loss = "bce"});
  CHECK(yes_no.evaluate(tensor({{1.0f}}), tensor({0}))["loss"] == doctest::Approx(50));
}

TEST_CASE("a zero vector has no direction and no NaN") {
  const Tensor t = ones({1, 3}), p = zeros({1, 3});
  GradientTape tape;
  tape.watch(p);
  const Tensor loss = nn::cosine_similarity(t, p);
  CHECK(loss.item<float>() == 0);
  for (float g : tape.gradient(loss, p).to_vector<float>()) CHECK(std::isfinite(g));
}

TEST_CASE("an example that has no partner, or nobody to keep away from") {
  const Tensor p = tensor({{1.0f, 0.0f}, {0.0f, 1.0f}, {1.0f, 0.0f}});
  for (const Tensor& classes : {tensor({0, 1, 2}), tensor({1, 1, 1})}) {
    GradientTape tape;
    tape.watch(p);
    const Tensor loss = nn::circle(classes, p);
    CHECK(loss.item<float>() == 0);
    CHECK(distance(tape.gradient(loss, p), zeros({3, 2})) == 0);
  }
}

TEST_CASE("ctc_loss and ctc_decode are those of Keras: lengths, blanks, eager and traced") {
  const golden::Family ctc("ctc");
  for (auto& c : ctc.cases) {
    const std::string name = c["name"];
    INFO(name);
    auto get = [&](const char* field) { return ctc.get(name, field); };
    const std::int64_t mask = c["attrs"]["mask_index"];
    if (c["op"] == "ctc_decode") {
      const nn::CTCDecodeOptions o{.merge_repeated = c["attrs"]["merge_repeated"], .mask_index = mask};
      auto decode = [&](const Tensor& x, const Tensor& lengths) {
        const nn::CTCDecoded d = nn::ctc_decode(x, lengths, o);
        return std::vector<Tensor>{d.labels, d.scores};
      };
      auto traced = function(decode);
      for (auto& d : {decode(get("inputs"), get("sequence_lengths")), traced(get("inputs"), get("sequence_lengths"))}) {
        CHECK(distance(d[0], get("labels")) == 0);
        CHECK(distance(d[1], get("scores")) < 1e-6);
      }
      continue;
    }
    auto loss = [&](const Tensor& x) {
      return nn::ctc_loss(get("target"), x, get("target_length"), get("output_length"), {.mask_index = mask});
    };
    auto check = [&](auto&& f) {
      const Tensor x = get("output");
      GradientTape tape;
      tape.watch(x);
      const Tensor y = f(x);
      CHECK(distance(y, get("loss")) < 3e-6);
      CHECK(distance(tape.gradient(sum(y * get("dy")), x), get("doutput")) < 3e-6);
    };
    check(loss);
    check(function(loss));
  }
}

TEST_CASE("ctc_loss: gradients in f64, a long sequence traced as a loop, labels without room") {
  const Tensor target = tensor({{1, 2, 2}, {2, 1, 0}, {3, 0, 0}}), said = tensor({3, 2, 1}), steps = tensor({5, 4, 6});
  const Tensor x = random::normal({3, 6, 4}, {.dtype = DType::f64, .seed = 1});
  auto loss = [&](const Tensor& logits) { return nn::ctc_loss(target, logits, said, steps); };
  golden::check_gradient([&](const Tensor& logits) { return sum(loss(logits)); }, x, {.order = 1, .tolerance = 1e-6});
  CHECK(loss(x).dtype() == DType::f64);
  CHECK(distance(loss(x.astype(DType::f16)), loss(x.astype(DType::f16).astype(DType::f32))) == 0);

  const Tensor longer = random::normal({3, 40, 4}, {.seed = 2}), all = full({3}, 40, DType::i64);
  auto of_long = [&](const Tensor& logits) { return nn::ctc_loss(target, logits, said, all); };
  auto traced = function(of_long);
  GradientTape tape({.persistent = true});
  tape.watch(longer);
  const Tensor eager = of_long(longer), graph = traced(longer);
  CHECK(distance(eager, graph) < 1e-6);
  CHECK(distance(tape.gradient(graph, longer), tape.gradient(eager, longer)) < 1e-6);

  // The probabilities of all labels of up to three steps add up to one.
  const Tensor short_logits = random::normal({1, 3, 3}, {.dtype = DType::f64, .seed = 3});
  double total = 0;
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b)
      for (int c = 0; c < 3; ++c) {
        const int n = a == 0 ? 0 : b == 0 ? 1 : c == 0 ? 2 : 3;
        if ((a == 0 && (b || c)) || (b == 0 && c)) continue;  // labels are not 0
        const Tensor l = nn::ctc_loss(tensor({{a, b, c}}), short_logits, tensor({n}), tensor({3}));
        total += std::exp(-l.item<double>());
      }
  CHECK(total == doctest::Approx(1).epsilon(1e-12));

  const Tensor crowded = random::normal({1, 2, 4}, {.seed = 4});
  GradientTape of_crowded;
  of_crowded.watch(crowded);
  const Tensor none = nn::ctc_loss(tensor({{1, 1}}), crowded, tensor({2}), tensor({2}));  // needs a blank between
  CHECK(std::isinf(none.item<float>()));
  CHECK(distance(of_crowded.gradient(none, crowded), zeros({1, 2, 4})) == 0);
}

TEST_CASE("ctc refuses") {
  const Tensor x = ones({2, 5, 4}), lengths = tensor({1, 1}), target = ones({2, 3}, DType::i64);
  golden::check_error<ShapeError>(
      [&] {
        nn::ctc(tensor({1, 2}), x);
      },
      "ctc: y_true must be class numbers [N, labels] and y_pred logits [N, steps, classes], "
      "got [2] and [2, 5, 4].");
  golden::check_error<ShapeError>(
      [&] {
        nn::ctc_loss(target, ones({2, 5}), lengths, lengths);
      },
      "ctc_loss: output must be logits [N, steps, classes], got [2, 5].");
  golden::check_error<DTypeError>(
      [&] {
        nn::ctc_loss(target, ones({2, 5, 4}, DType::i64), lengths, lengths);
      },
      "ctc_loss: output must be floating, got i64.");
  golden::check_error<ShapeError>(
      [&] {
        nn::ctc_loss(ones({3, 3}, DType::i64), x, lengths, lengths);
      },
      "ctc_loss: target must be class numbers [2, labels], got [3, 3].");
  golden::check_error<ShapeError>([&] { nn::ctc_loss(target, x, tensor({1}), lengths); },
                                  "ctc_loss: target_length must be [2], got [1].");
  golden::check_error<UsageError>([&] { nn::ctc_loss(target, x, lengths, lengths, {.mask_index = 4}); },
                                  "ctc_loss: mask_index must be in [0, 4), got 4.");
  golden::check_error<ShapeError>(
      [&] {
        nn::ctc_decode(ones({5, 4}), lengths);
      },
      "ctc_decode: inputs must be logits [N, steps, classes], got [5, 4].");
}

TEST_CASE("new losses refuse") {
  const Tensor p = full({3, 2}, 0.5f), classes = tensor({0, 1, 1});
  golden::check_error<UsageError>([&] { nn::categorical_generalized_cross_entropy(classes, p, {.q = 1}); },
                                  "categorical_generalized_cross_entropy: q must be in (0, 1), got 1.");
  golden::check_error<ShapeError>(
      [&] {
        nn::circle(tensor({0, 1}), p);
      },
      "circle: y_true [2] are not the class numbers of y_pred [3, 2].");
  golden::check_error<ShapeError>(
      [&] {
        nn::circle(ones({3, 2}, DType::i64), ones({3, 2, 2}));
      },
      "circle: y_pred must be embeddings [N, size], got [3, 2, 2].");
  golden::check_error<ShapeError>([&] { nn::dice(classes, p); }, "dice: y_true [3] and y_pred [3, 2] differ in shape.");
}
