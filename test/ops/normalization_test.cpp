#include "golden.h"

using namespace golden;

namespace {

// Channels of `axis` to the end and back.
Tensor last(const Tensor& x, int axis) { return moveaxis(x, axis, -1); }

}  // namespace

TEST_CASE("normalisation: Keras's values and gradients") {
  Family family("norm");
  int seen = 0;
  for (auto& c : family.cases) {
    std::string name = c["name"], op = c["op"];
    CAPTURE(name);
    auto& a = c["attrs"];
    double epsilon = a["epsilon"];
    Axes axis = a["axis"].is_array() ? Axes(a["axis"].get<std::vector<std::int64_t>>()) : Axes(a["axis"].get<int>());
    auto get = [&](const char* field) {
      return io::contains(family.arrays, name + "." + field) ? family.get(name, field).astype(DType::f64) : Tensor();
    };
    Tensor x = get("x"), gamma = get("gamma"), beta = get("beta");
    GradientTape tape({.persistent = true});
    for (auto& t : {x, gamma, beta})
      if (t.defined()) tape.watch(t);
    Tensor y;
    if (op == "BatchNormalization") {
      int i = int(axis[0]);
      if (a["training"]) {
        auto r = batch_norm_training(last(x, i), gamma, beta, epsilon);
        y = moveaxis(r.y, -1, i);
        double keep = a["momentum"];
        CHECK(distance(get("moving_mean") * keep + r.mean * (1 - keep), get("new_moving_mean")) < 1e-6);
        CHECK(distance(get("moving_variance") * keep + r.variance * (1 - keep), get("new_moving_variance")) < 1e-6);
      } else {
        y = moveaxis(batch_norm(last(x, i), get("moving_mean"), get("moving_variance"), beta, gamma, epsilon), -1, i);
      }
    } else if (op == "LayerNormalization") {
      y = layer_norm(x, gamma, beta, {.axis = axis, .epsilon = epsilon});
    } else if (op == "GroupNormalization") {
      int i = int(axis[0]);
      y = moveaxis(group_norm(last(x, i), a["groups"].get<int>(), gamma, beta, {.epsilon = epsilon}), -1, i);
    } else {
      y = rms_norm(x, gamma, {.axis = axis, .epsilon = epsilon});
    }
    CHECK(distance(y, get("y")) < 1e-6);
    GradientOptions o{.output_gradients = get("dy")};
    CHECK(distance(tape.gradient(y, x, o), get("dx")) < 1e-6);
    if (gamma.defined()) CHECK(distance(tape.gradient(y, gamma, o), get("dgamma")) < 1e-6);
    if (beta.defined()) CHECK(distance(tape.gradient(y, beta, o), get("dbeta")) < 1e-6);
    ++seen;
  }
  CHECK(seen == 26);
}

TEST_CASE("normalisation: gradients of both orders") {
  std::vector<Tensor> in = {randn({3, 2, 4}), randn({4}), randn({4})};
  check_gradient([](const std::vector<Tensor>& t) { return batch_norm_training(t[0], t[1], t[2]).y; }, in);
  check_gradient([](const std::vector<Tensor>& t) { return layer_norm(t[0], t[1], t[2]); }, in);
  check_gradient([](const std::vector<Tensor>& t) { return group_norm(t[0], 2, t[1], t[2]); }, in);
  check_gradient([](const std::vector<Tensor>& t) { return rms_norm(t[0], t[1]); }, in);
  check_gradient([](const Tensor& t) { return batch_norm_training(t, {}, {}).variance; }, in[0]);
}

TEST_CASE("normalisation: f32 and halves near f64, a large mean") {
  Tensor x = randn({8, 5, 6}) + 100.0, g = randn({6}), b = randn({6});
  for (auto [d, tolerance] : std::vector<std::pair<DType, double>>{{DType::f32, 2e-4}, {DType::f16, 1e-2}, {DType::bf16, 5e-2}}) {
    CAPTURE(name_of(d));
    Tensor h = x.astype(d), hg = g.astype(d), hb = b.astype(d);
    Tensor wide = h.astype(DType::f64), wg = hg.astype(DType::f64), wb = hb.astype(DType::f64);
    Tensor y = layer_norm(h, hg, hb);
    CHECK(y.dtype() == d);
    CHECK(distance(y, layer_norm(wide, wg, wb)) < tolerance);
    CHECK(distance(batch_norm_training(h, hg, hb).y, batch_norm_training(wide, wg, wb).y) < tolerance);
  }
}

TEST_CASE("normalisation: exact errors") {
  Tensor x = zeros({2, 6}), s = zeros({5});
  check_error<ShapeError>([&] { batch_norm_training(x, s, {}); },
                          ": batch_norm_training: scale must have shape [6], got [5].");
  check_error<ShapeError>([&] { layer_norm(x, {}, s); }, ": layer_norm: offset must have shape [6], got [5].");
  check_error<ShapeError>([&] { group_norm(x, 4, {}, {}); }, ": group_norm: 4 groups do not divide 6 channels.");
  check_error<DTypeError>([&] { rms_norm(zeros({2, 6}, DType::i32), {}); },
                          ": rms_norm: needs a floating dtype, got i32. Cast it first: x.astype(DType::f32).");
}
