#include <tapir/test/ops/golden.h>

#include <functional>

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

// The definitions, of ops that have tests of their own.
namespace reference {

Tensor over(const Tensor& x, const Axes& axes, double epsilon, bool centred = true) {
  Tensor c = centred ? x - mean(x, {axes, true}) : x;
  return c / sqrt(mean(square(c), {axes, true}) + epsilon);
}
Tensor with(const Tensor& y, const Tensor& scale, const Tensor& offset) {
  Tensor z = scale.defined() ? y * scale : y;
  return offset.defined() ? z + offset : z;
}
Tensor batch(const Tensor& x, const Tensor& scale, const Tensor& offset) {
  Axes axes;
  for (int i = 0; i + 1 < x.rank(); ++i) axes.push_back(i);
  return with(over(x, axes, 1e-3), scale, offset);
}
Tensor layer(const Tensor& x, const Tensor& scale, const Tensor& offset) {
  return with(over(x, -1, 1e-3), scale, offset);
}
Tensor rms(const Tensor& x, const Tensor& scale, const Tensor&) { return with(over(x, -1, 1e-6, false), scale, {}); }
Tensor group(const Tensor& x, std::int64_t groups, const Tensor& scale, const Tensor& offset) {
  const std::int64_t n = x.shape()[0], c = x.shape().back();
  return with(reshape(over(reshape(x, {n, -1, groups, c / groups}), {1, 3}, 1e-3), x.shape()), scale, offset);
}

}  // namespace reference

namespace {

using Norm = std::function<Tensor(const Tensor& x, const Tensor& scale, const Tensor& offset)>;

std::vector<Tensor> value_and_gradients(const Norm& f, std::vector<Tensor> in, const Tensor& dy) {
  GradientTape tape;
  std::vector<Tensor> sources;
  for (auto& t : in)
    if (t.defined()) tape.watch(t), sources.push_back(t);
  Tensor y = f(in[0], in[1], in[2]);
  std::vector<Tensor> all = tape.gradient(y, sources, {.output_gradients = dy});
  all.insert(all.begin(), y);
  return all;
}

// f in f64 and in f32, its values and gradients, against the definition in f64.
void check_norm(const char* name, const Shape& shape, const Norm& f, const Norm& definition, bool offset = true) {
  CAPTURE(name);
  CAPTURE(shape);
  const Shape c = {shape.back()};
  const Tensor dy = randn(shape, DType::f32).astype(DType::f64);
  std::vector<Tensor> wide = {randn(shape, DType::f32) * 2.0 + 0.7, randn(c, DType::f32),
                              offset ? randn(c, DType::f32) : Tensor()};
  for (auto& t : wide)
    if (t.defined()) t = t.astype(DType::f64);
  std::vector<Tensor> narrow;
  for (auto& t : wide) narrow.push_back(t.defined() ? t.astype(DType::f32) : t);
  const auto expected = value_and_gradients(definition, wide, dy), in64 = value_and_gradients(f, wide, dy),
             in32 = value_and_gradients(f, narrow, dy.astype(DType::f32));
  const char* what[] = {"y", "dx", "dscale", "doffset"};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(what[i]);
    // Sums over many rows are compared at their own scale.
    const double scale = std::max(1.0, max(abs(expected[i])).item<double>());
    CHECK(in64[i].dtype() == DType::f64);
    CHECK(distance(in64[i] / scale, expected[i] / scale) < 1e-11);
    CHECK(in32[i].dtype() == DType::f32);
    CHECK(distance(in32[i].astype(DType::f64) / scale, expected[i] / scale) < 4e-6);
  }
}

Tensor batch(const Tensor& x, const Tensor& s, const Tensor& o) { return batch_norm_training(x, s, o).y; }
Tensor layer(const Tensor& x, const Tensor& s, const Tensor& o) { return layer_norm(x, s, o); }
Tensor rms(const Tensor& x, const Tensor& s, const Tensor&) { return rms_norm(x, s); }

// With statistics that are not those of x.
Tensor given(const Tensor& x, const Tensor& s, const Tensor& o) {
  Tensor m = linspace(-1, 1, x.shape().back()).astype(x.dtype());
  return batch_norm(x, m, square(m) + 0.3, o, s);
}
Tensor given_definition(const Tensor& x, const Tensor& s, const Tensor& o) {
  Tensor m = linspace(-1, 1, x.shape().back()).astype(x.dtype());
  return (x - m) / sqrt(square(m) + 0.3 + 1e-3) * s + o;
}

}  // namespace

TEST_CASE("normalisation: values and gradients against the definition, odd sizes") {
  // Single rows and columns, tails of registers, blocks and strips, few channels, work for several threads.
  for (Shape s : std::vector<Shape>{{2, 1},
                                    {3, 2},
                                    {7, 5},
                                    {1, 33},
                                    {4, 3, 5, 7},
                                    {67, 64},
                                    {130, 17},
                                    {33, 257},
                                    {65, 1031},
                                    {1000, 3},
                                    {5001, 1},
                                    {4099, 48},
                                    {701, 300},
                                    {70001, 6},
                                    {1, 300001},
                                    {3, 270001}}) {
    if (s[0] > 1) check_norm("batch_norm_training", s, batch, reference::batch);
    check_norm("batch_norm", s, given, given_definition);
    check_norm("rms_norm", s, rms, reference::rms, false);
    if (s.back() > 2) check_norm("layer_norm", s, layer, reference::layer);
  }
  for (auto [s, groups] : std::vector<std::pair<Shape, std::int64_t>>{{{3, 7, 6}, 2},
                                                                      {{2, 5, 5, 9}, 9},
                                                                      {{4, 12}, 3},
                                                                      {{301, 96}, 8},
                                                                      {{5, 600000}, 2},
                                                                      {{2, 40, 30, 48}, 4},
                                                                      {{70, 3, 32}, 8},
                                                                      {{1, 9001, 5}, 1}}) {
    auto n = groups;
    check_norm(
        "group_norm", s, [n](const Tensor& x, const Tensor& a, const Tensor& b) { return group_norm(x, n, a, b); },
        [n](const Tensor& x, const Tensor& a, const Tensor& b) { return reference::group(x, n, a, b); });
  }
}

TEST_CASE("normalisation: a mean far from zero") {
  // f32 holds numbers near 1000 to 3e-5: so well is the mean known, and so well is y.
  for (std::int64_t channels : {1, 3, 64}) {
    const Tensor x = (randn({1000000 / channels, channels}) + 1000.0).astype(DType::f32), wide = x.astype(DType::f64);
    auto r = batch_norm_training(x, {}, {});
    CHECK(distance(r.mean.astype(DType::f64) / 1000.0, mean(wide, {.axis = 0}) / 1000.0) < 6e-8);
    CHECK(distance(r.variance, var(wide, {.axis = 0})) < 2e-6);
    CHECK(distance(r.y, reference::batch(wide, {}, {})) < 1e-4);
  }
  // A first row that says nothing about the others: what is left of f32 when its block is taken relative to it.
  Tensor x = randn({20000, 5}, DType::f32);
  x = concat({full({1, 5}, 1e4f), x}, {.axis = 0});
  CHECK(distance(batch_norm_training(x, {}, {}).variance / 5e3f, var(x.astype(DType::f64), {.axis = 0}) / 5e3) < 1e-4);

  x = (randn({7, 1001}) + 1000.0).astype(DType::f32);
  CHECK(distance(layer_norm(x, {}, {}), reference::layer(x.astype(DType::f64), {}, {})) < 2e-6);
  x = reshape(x, {7, 11, 13, 7});
  CHECK(distance(group_norm(x, 1, {}, {}), reference::group(x.astype(DType::f64), 1, {}, {})) < 1e-4);
}

TEST_CASE("normalisation: the number of threads changes nothing") {
  const int before = num_threads();
  for (Shape s : std::vector<Shape>{{40000, 7}, {5000, 96}, {3, 50, 60, 40}, {2, 300000}}) {
    CAPTURE(s);
    const Tensor x = randn(s, DType::f32), dy = randn(s, DType::f32), a = randn({s.back()}, DType::f32),
                 b = randn({s.back()}, DType::f32);
    for (const Norm& f :
         std::vector<Norm>{batch, layer, rms, given, [](auto&t, auto&p, auto&q) { return group_norm(t, 1, p, q); }}) {
      std::vector<std::vector<Tensor>> got;
      for (int threads : {1, 2}) {
        set_num_threads(threads);
        got.push_back(value_and_gradients([&](auto& t, auto& p, auto&) { return f(t, p, b); }, {x, a, {}}, dy));
      }
      set_num_threads(before);
      for (std::size_t i = 0; i < got[0].size(); ++i) CHECK(all(equal(got[0][i], got[1][i])).item<bool>());
    }
  }
}

TEST_CASE("normalisation: strided views, other axes, no scale, no offset") {
  const Tensor x = randn({4, 6, 5}), s = randn({5}), o = randn({5});
  const Tensor turned = permute_dims(contiguous(permute_dims(x, {2, 0, 1})), {1, 2, 0});
  REQUIRE(!turned.is_contiguous());
  for (const Norm& f : std::vector<Norm>{batch, layer, rms, given})
    CHECK(distance(f(turned, s, o), f(x, s, o)) < 1e-14);
  CHECK(distance(group_norm(turned, 5, s, o), group_norm(x, 5, s, o)) < 1e-14);

  const Tensor s1 = randn({6}), o1 = randn({6}), s02 = randn({4, 5});
  CHECK(distance(layer_norm(x, s1, o1, {.axis = 1}),
                 reference::over(x, 1, 1e-3) * reshape(s1, {6, 1}) + reshape(o1, {6, 1})) < 1e-12);
  CHECK(distance(layer_norm(x, s02, {}, {.axis = {2, 0}}), reference::over(x, {0, 2}, 1e-3) * reshape(s02, {4, 1, 5})) <
        1e-12);
  CHECK(distance(rms_norm(x, {}, {.axis = {0, 1}, .epsilon = 0.1}), reference::over(x, {0, 1}, 0.1, false)) < 1e-12);
  CHECK(distance(layer_norm(x, {}, {}, {.axis = {0, 1, 2}}), reference::over(x, {}, 1e-3)) < 1e-12);
  for (auto [a, b] : std::vector<std::pair<Tensor, Tensor>>{{s, {}}, {{}, o}, {{}, {}}}) {
    CHECK(distance(batch(x, a, b), reference::batch(x, a, b)) < 1e-12);
    CHECK(distance(layer(x, a, b), reference::layer(x, a, b)) < 1e-12);
    CHECK(distance(group_norm(x, 1, a, b), reference::group(x, 1, a, b)) < 1e-12);
  }
}

TEST_CASE("batch_norm: statistics of any form that broadcasts") {
  const Tensor x = randn({3, 4, 5});
  auto definition = [&](const Tensor& m, const Tensor& v) { return (x - m) / sqrt(v + 1e-3); };
  for (Shape s : std::vector<Shape>{{5}, {1, 5}, {1, 1, 5}, {}, {1}, {4, 1}, {3, 1, 5}, {3, 4, 5}}) {
    CAPTURE(s);
    const Tensor m = randn(s), v = square(randn(s)) + 0.5;
    CHECK(distance(batch_norm(x, m, v, {}, {}), definition(m, v)) < 1e-12);
  }
  CHECK(distance(batch_norm(x, Tensor(0.5), Tensor(2.0), Tensor(1.0), Tensor(3.0)),
                 definition(full({}, 0.5, DType::f64), full({}, 2.0, DType::f64)) * 3.0 + 1.0) < 1e-12);
  CHECK(batch_norm(x.astype(DType::f16), randn({5}), ones({5}), {}, {}).dtype() == DType::f16);
}

TEST_CASE("normalisation: gradients of both orders") {
  using List = std::vector<Tensor>;
  const List in = {randn({3, 2, 4}), randn({4}), randn({4})};
  for (const Norm& f : std::vector<Norm>{batch, layer, given}) {
    check_gradient([&](const List& t) { return f(t[0], t[1], t[2]); }, in);
    check_gradient([&](const List& t) { return f(t[0], t[1], in[2]); }, List{in[0], in[1]});
    check_gradient([&](const List& t) { return f(t[0], in[1], t[1]); }, List{in[0], in[2]});
    check_gradient([&](const List& t) { return f(in[0], t[0], t[1]); }, List{in[1], in[2]});
    check_gradient([&](const Tensor& t) { return f(t, in[1], in[2]); }, in[0]);
  }
  for (const Norm& f : std::vector<Norm>{batch, layer})
    check_gradient([&](const Tensor& t) { return f(t, {}, {}); }, in[0]);
  check_gradient([](const List& t) { return group_norm(t[0], 2, t[1], t[2]); }, in);
  check_gradient([](const Tensor& t) { return group_norm(t, 4, {}, {}); }, in[0]);
  check_gradient([](const List& t) { return group_norm(t[0], 2, t[1], t[2]); }, List{randn({5, 4}), in[1], in[2]});
  check_gradient([&](const List& t) { return group_norm(in[0], 2, t[0], t[1]); }, List{in[1], in[2]});
  check_gradient([](const List& t) { return rms_norm(t[0], t[1]); }, List{in[0], in[1]});
  check_gradient([](const Tensor& t) { return rms_norm(t, {}); }, in[0]);
  check_gradient(
      [](const List& t) {
        return layer_norm(t[0], t[1], {}, {.axis = {0, 2}});
      },
      List{in[0], randn({3, 4})});

  const List all = {in[0], randn({4}), square(randn({4})) + 0.5, in[1], in[2]};
  check_gradient([](const List& t) { return batch_norm(t[0], t[1], t[2], t[4], t[3]); }, all);
  check_gradient([](const List& t) { return batch_norm(t[0], t[1], t[2], {}, {}); },
                 List{in[0], randn({3, 1, 4}), square(randn({3, 1, 4})) + 0.5});
}

TEST_CASE("batch_norm_training: gradients through the statistics") {
  using List = std::vector<Tensor>;
  const List in = {randn({3, 2, 4}), randn({4}), randn({4})};
  check_gradient([](const Tensor& t) { return batch_norm_training(t, {}, {}).mean; }, in[0]);
  check_gradient([](const Tensor& t) { return batch_norm_training(t, {}, {}).variance; }, in[0]);
  check_gradient(
      [](const List& t) {
        auto r = batch_norm_training(t[0], t[1], t[2]);
        return r.y * r.mean + square(r.variance);
      },
      in);
}

TEST_CASE("normalisation: f32 and halves near f64, a large mean") {
  Tensor x = randn({8, 5, 6}) + 100.0, g = randn({6}), b = randn({6});
  for (auto [d, tolerance] :
       std::vector<std::pair<DType, double>>{{DType::f32, 2e-4}, {DType::f16, 1e-2}, {DType::bf16, 5e-2}}) {
    CAPTURE(name_of(d));
    Tensor h = x.astype(d), hg = g.astype(d), hb = b.astype(d);
    Tensor wide = h.astype(DType::f64), wg = hg.astype(DType::f64), wb = hb.astype(DType::f64);
    Tensor y = layer_norm(h, hg, hb);
    CHECK(y.dtype() == d);
    CHECK(distance(y, layer_norm(wide, wg, wb)) < tolerance);
    CHECK(distance(batch_norm_training(h, hg, hb).y, batch_norm_training(wide, wg, wb).y) < tolerance);
  }
}

TEST_CASE("normalisation: gradients of halves, scales in f32 or in the dtype of x") {
  const Tensor x = randn({9, 2, 6}), a = randn({6}), b = randn({6}), dy = randn(x.shape());
  const Norm group = [](const Tensor& t, const Tensor& s, const Tensor& o) { return group_norm(t, 3, s, o); };
  for (auto [d, tolerance] : std::vector<std::pair<DType, double>>{{DType::f16, 4e-3}, {DType::bf16, 3e-2}})
    for (DType of_scale : {d, DType::f32})
      for (const Norm& f : std::vector<Norm>{batch, layer, group}) {
        const std::vector<Tensor> half = {x.astype(d), a.astype(of_scale), b.astype(of_scale)};
        std::vector<Tensor> wide;
        for (auto& t : half) wide.push_back(t.astype(DType::f64));
        const auto got = value_and_gradients(f, half, dy.astype(d)),
                   expected = value_and_gradients(f, wide, dy.astype(d).astype(DType::f64));
        for (std::size_t i = 0; i < 4; ++i) {
          CHECK(got[i].dtype() == (i < 2 ? d : of_scale));
          CHECK(distance(got[i], expected[i]) < tolerance);
        }
      }
}

TEST_CASE("normalisation: one trace for any batch and image size, gradients of both orders") {
  const Tensor a = randn({4}), b = randn({4});
  const Norm statistics = [](const Tensor& t, const Tensor& s, const Tensor& o) {
    auto r = batch_norm_training(t, s, o);
    return r.y * r.variance + r.mean;
  };
  const Norm group = [](const Tensor& t, const Tensor& s, const Tensor& o) { return group_norm(t, 2, s, o); };
  for (const Norm& f : std::vector<Norm>{statistics, group, layer, rms, given}) {
    auto step = [&](const std::vector<Tensor>& in) {
      GradientTape outer;
      outer.watch(in[0]);
      auto g = value_and_gradients([&](auto& t, auto& s, auto&) { return f(t, s, b); }, {in[0], a, {}}, in[1]);
      if (outer.recorded(g[1])) g.push_back(outer.gradient(sum(square(g[1]) * in[0]), in[0]));
      return g;
    };
    const TensorSpec any({unknown, unknown, unknown, 4}, DType::f64);
    auto traced = function(step, {.signature = {any, any}});
    for (Shape s : std::vector<Shape>{{3, 5, 2, 4}, {2, 7, 7, 4}}) {
      const std::vector<Tensor> in = {randn(s), randn(s)}, expected = step(in), got = traced(in);
      for (std::size_t i = 0; i < got.size(); ++i) CHECK(distance(got[i], expected[i]) < 1e-10);
    }
    CHECK(traced.trace_count() == 1);
  }
  auto bare = [](const Tensor& x) {  // nor do they know how many channels there are
    return batch(x, {}, {}) + layer(x, {}, {}) * rms(x, {}, {}) + batch_norm(x, mean(x), var(x), {}, {});
  };
  auto traced = function(bare, {.signature = {TensorSpec({unknown, unknown}, DType::f64)}});
  for (Shape s : std::vector<Shape>{{3, 5}, {7, 4}}) {
    const Tensor x = randn(s);
    CHECK(distance(traced(x), bare(x)) < 1e-12);
  }
}

TEST_CASE("normalisation: no gradient of an x that is data") {
  const Tensor x = randn({2000, 7, 64}, DType::f32), s = randn({64}, DType::f32), o = randn({64}, DType::f32);
  const Tensor dy = randn(x.shape(), DType::f32);
  for (const Norm& f : std::vector<Norm>{batch, given, [](auto&t, auto&p, auto&q) { return group_norm(t, 4, p, q); }}) {
    const auto all = value_and_gradients(f, {x, s, o}, dy);
    GradientTape tape;
    tape.watch(s), tape.watch(o);
    const Tensor y = f(x, s, o);
    reset_peak_memory();
    const std::size_t before = memory_stats().in_use;
    const auto g = tape.gradient(y, std::vector<Tensor>{s, o}, {.output_gradients = dy});
    CHECK(memory_stats().peak - before < 4 * std::size_t(x.size()));  // dx alone would have that
    for (std::size_t i = 0; i < 2; ++i) CHECK(array_equal(g[i], all[i + 2]));
  }
}

TEST_CASE("batch_norm_training: a tape keeps x, not y") {
  const Tensor x = randn({1000, 64}, DType::f32);
  const std::size_t before = memory_stats().in_use;
  GradientTape tape;
  tape.watch(x);
  Tensor y = batch_norm_training(x, {}, {}).y, z = sum(y);
  y = {};
  CHECK(memory_stats().in_use - before < 4 * std::size_t(x.size()) / 2);
  CHECK(tape.gradient(z, x).shape() == x.shape());
}

TEST_CASE("normalisation: nothing, and next to nothing") {
  for (const Norm& f : std::vector<Norm>{batch, layer, rms, given})
    for (Shape s : std::vector<Shape>{{0, 4}, {3, 0}, {0, 0}, {2, 0, 4}}) {
      CAPTURE(s);
      const Shape c = {s.back()};
      const auto g = value_and_gradients(f, {zeros(s), ones(c), ones(c)}, zeros(s));
      CHECK(g[0].shape() == s);
      CHECK(g[1].shape() == s);
      CHECK(distance(g[2], zeros(c)) == 0);
    }
  CHECK(group_norm(zeros({0, 3, 4}), 2, {}, {}).shape() == Shape{0, 3, 4});
  CHECK(group_norm(zeros({2, 0, 4}), 2, {}, {}).shape() == Shape{2, 0, 4});
  CHECK(group_norm(zeros({2, 3, 0}), 2, {}, {}).shape() == Shape{2, 3, 0});
  CHECK(group_norm(zeros({2, 0}), 2, {}, {}).shape() == Shape{2, 0});
  CHECK(group_norm(zeros({0, 4}), 2, {}, {}).shape() == Shape{0, 4});
  const auto none = batch_norm_training(zeros({0, 2}), {}, {});  // the mean of nothing, as mean() has it
  CHECK(all(isnan(none.mean)).item<bool>());
  CHECK(all(isnan(none.variance)).item<bool>());

  const Tensor x = full({1, 1}, 7.0f), s = full({1}, 3.0f), o = full({1}, 0.25f);  // deviates from itself by 0
  const auto one = batch_norm_training(x, s, o);
  CHECK(one.y.item<float>() == 0.25f);
  CHECK(one.mean.item<float>() == 7);
  CHECK(one.variance.item<float>() == 0);
  CHECK(layer_norm(x, s, o).item<float>() == 0.25f);
  CHECK(group_norm(x, 1, s, o).item<float>() == 0.25f);
  CHECK(rms_norm(x, s, {.epsilon = 0}).item<float>() == 3);
  for (const Norm& f : std::vector<Norm>{batch, layer}) {
    const auto g = value_and_gradients(f, {x, s, o}, full({1, 1}, 5.0f));
    CHECK(std::abs(g[1].item<float>()) < 1e-4);  // the difference of two numbers near 5 * 3 / sqrt(epsilon)
    CHECK(g[2].item<float>() == 0);
    CHECK(g[3].item<float>() == 5);
  }
}

TEST_CASE("normalisation: NaN and infinity stay where they are") {
  Tensor x = tensor({{1.0f, 2.0f, 3.0f}, {4.0f, NAN, 6.0f}, {7.0f, INFINITY, 9.0f}});
  auto r = batch_norm_training(x, {}, {});
  CHECK(all(isnan(r.y)(ellipsis, 1)).item<bool>());
  CHECK(std::isnan(r.variance[1].item<float>()));
  CHECK(all(isfinite(r.y)(ellipsis, 0)).item<bool>());
  for (Tensor y : {layer_norm(x, {}, {}), rms_norm(x, {})}) {
    CHECK(all(isfinite(y[0])).item<bool>());
    CHECK(all(isnan(y[1])).item<bool>());
  }
  CHECK(all(isnan(layer_norm(x, {}, {})[2])).item<bool>());
}

TEST_CASE("normalisation: exact errors") {
  Tensor x = zeros({2, 6}), s = zeros({5});
  check_error<ShapeError>([&] { batch_norm_training(x, s, {}); },
                          ": batch_norm_training: scale must have shape [6], got [5].");
  check_error<ShapeError>([&] { layer_norm(x, {}, s); }, ": layer_norm: offset must have shape [6], got [5].");
  check_error<ShapeError>([&] { group_norm(x, 4, {}, {}); }, ": group_norm: 4 groups do not divide 6 channels.");
  check_error<DTypeError>(
      [&] {
        rms_norm(zeros({2, 6}, DType::i32), {});
      },
      ": rms_norm: needs a floating dtype, got i32. Cast it first: x.astype(DType::f32).");
  check_error<ShapeError>([&] { batch_norm_training(zeros({6}), {}, {}); },
                          ": batch_norm_training: input needs a batch and channels, [..., C], got [6].");
  check_error<ShapeError>([&] { group_norm(zeros({6}), 2, {}, {}); },
                          ": group_norm: input needs a batch and channels, [N, ..., C], got [6].");
  check_error<ShapeError>([&] { group_norm(x, 0, {}, {}); }, ": group_norm: 0 groups do not divide 6 channels.");
  check_error<ShapeError>([&] { rms_norm(x, zeros({1, 6})); }, ": rms_norm: scale must have shape [6], got [1, 6].");
  check_error<ShapeError>([&] { batch_norm(x, s, ones({6}), {}, {}); },
                          ": batch_norm: mean of shape [5] does not broadcast to x [2, 6].");
  check_error<ShapeError>(
      [&] {
        batch_norm(x, ones({6}), ones({3, 1, 6}), {}, {});
      },
      ": batch_norm: variance of shape [3, 1, 6] does not broadcast to x [2, 6].");
  check_error<ShapeError>([&] { layer_norm(x, {}, {}, {.axis = {0, -2}}); }, ": layer_norm: axis -2 is named twice.");
}
