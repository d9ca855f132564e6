#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/thrown.h>

#include <cmath>
#include <thread>

using namespace tapir;

static std::vector<double> values(const Tensor& t) { return t.astype(DType::f64).to_vector<double>(); }

TEST_CASE("a tape gives one gradient, a persistent one many") {
  Tensor x = constant(3.0f);
  GradientTape tape;
  tape.watch(x);
  Tensor y = x * x;
  CHECK(tape.gradient(y, x).item<float>() == 6);
  CHECK(message<UsageError>([&] { (void)tape.gradient(y, x); }) ==
        "gradient: this tape was used already. For several gradients make it persistent: "
        "GradientTape tape({.persistent = true}).");
  tape.reset();
  tape.watch(x);
  CHECK(tape.gradient(x * x * x, x).item<float>() == 27);

  GradientTape many({.persistent = true});
  many.watch(x);
  Tensor a = x * x, b = a * a;
  CHECK(many.gradient(b, x).item<float>() == 108);
  CHECK(many.gradient(b, a).item<float>() == 18);
  CHECK(many.gradient(a, x).item<float>() == 6);
}

TEST_CASE("higher order by nesting") {
  Tensor x = constant(3.0f);
  GradientTape outer;
  outer.watch(x);
  Tensor dy;
  {
    GradientTape inner;
    inner.watch(x);
    Tensor y = x * x * x;
    dy = inner.gradient(y, x);
  }
  CHECK(dy.item<float>() == 27);
  CHECK(outer.gradient(dy, x).item<float>() == 18);
}

TEST_CASE("higher order on one persistent tape") {
  Tensor x = tensor({0.7, -1.2, 3.0}).astype(DType::f64), v = tensor({1.0, 2.0, 3.0}).astype(DType::f64);
  Variable w(constant(0.3, DType::f64), "w");
  GradientTape tape({.persistent = true});
  tape.watch(x);
  Tensor y = sum(exp(w * x) * v);
  Tensor dy = tape.gradient(y, x), d2 = tape.gradient(dy, x), d3 = tape.gradient(d2, x);
  const Tensor e = exp(0.3 * x) * v;
  CHECK(allclose(dy, 0.3 * e));
  CHECK(allclose(d2, 0.09 * e));
  CHECK(allclose(d3, 0.027 * e));
  CHECK(allclose(tape.gradient(dy, w), sum((1.0 + 0.3 * x) * e)));

  // A penalty on the gradient is part of the loss.
  Tensor loss = y + sum(square(dy));
  auto [dx, dw] = tape.gradient(loss, x, w);
  CHECK(allclose(dx, 0.3 * e + 2.0 * 0.3 * e * 0.09 * e));
  CHECK(allclose(dw, sum(x * e) + sum(2.0 * 0.3 * e * (1.0 + 0.3 * x) * e)));

  Tensor hessian = tape.jacobian(dy, x);
  for (int i = 0; i < 3; ++i)
    for (int k = 0; k < 3; ++k)
      CHECK(hessian(i, k).item<double>() == doctest::Approx(i == k ? 0.09 * e[i].item<double>() : 0.0));
  CHECK(allclose(tape.gradient(sum(hessian), x), 0.027 * e));
}

TEST_CASE("a persistent tape that is told to stop does not record its gradient") {
  Tensor x = constant(3.0f);
  GradientTape tape({.persistent = true});
  tape.watch(x);
  Tensor y = x * x * x;
  const std::size_t size = tape.size();
  for (int i = 0; i < 3; ++i) {
    Tensor dy = tape.stop_recording([&] { return tape.gradient(y, x); });
    CHECK(dy.item<float>() == 27);
    CHECK(tape.size() == size);
    CHECK_FALSE(tape.recorded(dy));
  }
  Tensor dy = tape.gradient(y, x);
  CHECK(tape.recorded(dy));
  CHECK(tape.size() > size);
  // What only goes through a gradient that was not recorded is a constant.
  CHECK(tape.gradient(tape.stop_recording([&] { return tape.gradient(y, x); }) * x, x).item<float>() == 27);
}

TEST_CASE("a persistent tape through variables read again, custom gradients and recompute") {
  Variable w(constant(2.0, DType::f64), "w");
  Tensor x = tensor({0.5, 1.5}).astype(DType::f64);
  GradientTape tape({.persistent = true});
  tape.watch(x);
  Tensor y = recompute([&](const Tensor& t) { return square(w) * t * t * t; })(x);
  Tensor dx = tape.gradient(y, x), dw = tape.gradient(y, w);
  CHECK(allclose(dx, 12.0 * square(x)));
  CHECK(allclose(dw, sum(4.0 * x * x * x)));
  CHECK(allclose(tape.gradient(dx, x), 24.0 * x));
  CHECK(allclose(tape.gradient(dx, w), sum(12.0 * square(x))));
  CHECK(allclose(tape.gradient(dw, w), sum(2.0 * x * x * x)));
}

TEST_CASE("third order through functions that are not polynomials") {
  Tensor x = constant(0.7, DType::f64);
  GradientTape t3;
  t3.watch(x);
  GradientTape t2;
  t2.watch(x);
  GradientTape t1;
  t1.watch(x);
  Tensor d1 = t1.gradient(exp(x * 2.0) * sin(x), x);
  Tensor d2 = t2.gradient(d1, x), d3 = t3.gradient(d2, x);
  double e = std::exp(1.4), s = std::sin(0.7), c = std::cos(0.7);
  CHECK(d1.item<double>() == doctest::Approx(e * (2 * s + c)));
  CHECK(d2.item<double>() == doctest::Approx(e * (3 * s + 4 * c)));
  CHECK(d3.item<double>() == doctest::Approx(e * (2 * s + 11 * c)));
}

TEST_CASE("what is not watched") {
  Tensor x = constant(3.0f), other = constant(1.0f);
  CHECK(message<UsageError>([&] {
          GradientTape t;
          (void)t.gradient(x * x, x);
        }) == "gradient: target does not depend on a watched tensor. Call tape.watch(x) before computing it.");
  GradientTape tape({.persistent = true});
  tape.watch(x);
  Tensor hidden = tape.stop_recording([&] { return x * x; });
  Tensor y = x * stop_gradient(x) + hidden;
  CHECK(tape.gradient(y, x).item<float>() == 3);
  CHECK_FALSE(tape.gradient(y, other).defined());
  CHECK(tape.gradient(y, other, {.unconnected = UnconnectedGradients::zero}).item<float>() == 0);
  CHECK(message<DTypeError>([&] { tape.watch(constant(1)); }) ==
        "watch: needs a floating tensor, got i32. Cast it first: x.astype(DType::f32).");
}

TEST_CASE("a target of several elements is summed, or weighted by output_gradients") {
  Tensor x = tensor({1.0f, 2.0f, 3.0f});
  GradientTape tape({.persistent = true});
  tape.watch(x);
  Tensor y = square(x);
  CHECK(values(tape.gradient(y, x)) == std::vector<double>{2, 4, 6});
  CHECK(values(tape.gradient(y, x, {.output_gradients = tensor({1.0f, 0.0f, 10.0f})})) ==
        std::vector<double>{2, 0, 60});
  CHECK(message<ShapeError>([&] { (void)tape.gradient(y, x, {.output_gradients = ones({2})}); }) ==
        "gradient: output_gradients has shape [2], the target [3].");
  CHECK(values(tape.gradient(y, y)) == std::vector<double>{1, 1, 1});
}

TEST_CASE("variables are watched when read, each version of them") {
  Variable w(constant(2.0f), "w"), frozen(constant(5.0f), "frozen", {.trainable = false});
  Tensor x = constant(3.0f);
  {
    GradientTape tape;
    Tensor y = w * frozen * x;
    auto [dw, df] = tape.gradient(y, w, frozen);
    CHECK(dw.item<float>() == 15);
    CHECK_FALSE(df.defined());
  }
  {
    GradientTape tape;
    Tensor y = w * x;
    w.assign(constant(10.0f));
    y = y + w * w;
    CHECK(tape.gradient(y, w).item<float>() == 3 + 20);
  }
  {
    GradientTape tape({.watch_accessed_variables = false});
    Tensor y = w * frozen;
    CHECK_THROWS_AS((void)tape.gradient(y, w), UsageError);
  }
  GradientTape tape({.watch_accessed_variables = false});
  tape.watch(frozen);
  CHECK(tape.gradient(frozen * frozen, frozen).item<float>() == 10);
}

TEST_CASE("lists of sources") {
  Variable a(constant(2.0f), "a"), b(constant(5.0f), "b");
  GradientTape tape;
  auto g = tape.gradient(a * b, std::vector<Variable>{a, b});
  CHECK(g[0].item<float>() == 5);
  CHECK(g[1].item<float>() == 2);
}

TEST_CASE("jacobian") {
  Tensor v = tensor({1.0f, 2.0f, 3.0f});
  GradientTape tape;
  tape.watch(v);
  Tensor j = tape.jacobian(square(v), v);
  CHECK(j.shape() == Shape({3, 3}));
  CHECK(values(j) == std::vector<double>{2, 0, 0, 0, 4, 0, 0, 0, 6});

  Tensor x = tensor({{1.0f, 2.0f}, {3.0f, 4.0f}, {5.0f, 6.0f}});
  GradientTape batched;
  batched.watch(x);
  Tensor y = x * sum(x, {.axis = 1, .keepdims = true});  // d y[b,i] / d x[b,j] = x[b,i] + (i == j) * row sum
  Tensor b = batched.batch_jacobian(y, x);
  CHECK(b.shape() == Shape({3, 2, 2}));
  CHECK(values(b) == std::vector<double>{4, 1, 2, 5, 10, 3, 4, 11, 16, 5, 6, 17});
}

TEST_CASE("hessian by a jacobian of a gradient") {
  Tensor x = tensor({1.0, 2.0}, DType::f64);
  GradientTape outer;
  outer.watch(x);
  GradientTape inner;
  inner.watch(x);
  Tensor g = inner.gradient(sum(x * x * x), x);
  CHECK(values(outer.jacobian(g, x)) == std::vector<double>{6, 0, 0, 12});
}

TEST_CASE("a million recorded operations are freed without recursion") {
  Tensor x = constant(1.0f);
  GradientTape tape;
  tape.watch(x);
  Tensor y = x;
  for (int i = 0; i < 1'000'000; ++i) y = y + 1e-7;
  CHECK(tape.size() == 1'000'000);
  CHECK(tape.gradient(y, x).item<float>() == 1);
}

TEST_CASE("the tape frees at once what no gradient reads") {
  Tensor x = ones({1 << 16});
  GradientTape tape;
  tape.watch(x);
  std::size_t before = memory_stats().in_use;
  Tensor y = x;
  for (int i = 0; i < 20; ++i) y = y + 1.0;  // its gradient needs neither operand
  CHECK(memory_stats().in_use - before <= (2 << 18));
  CHECK(values(tape.gradient(y, x))[5] == 1);
}

TEST_CASE("threads have tapes of their own") {
  Variable w(constant(2.0f), "w");
  std::vector<float> got(8);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      for (int round = 0; round < 200; ++round) {
        Tensor x = full({100}, double(i + 1));
        GradientTape tape;
        tape.watch(x);
        Tensor y = sum(square(x) * w);
        auto [dx, dw] = tape.gradient(y, x, w);
        got[std::size_t(i)] = dw.item<float>() + values(dx)[7] > 0 ? dw.item<float>() : -1;
      }
    });
  for (auto& t : threads) t.join();
  for (int i = 0; i < 8; ++i) CHECK(got[std::size_t(i)] == 100.0f * float((i + 1) * (i + 1)));
}

TEST_CASE("the same value twice in one call") {
  Tensor x = constant(3.0f);
  CHECK(grad([](const Tensor& t) { return maximum(t, t); })(x).item<float>() == 1);
  CHECK(grad(grad([](const Tensor& t) { return t * t; }))(x).item<float>() == 2);
}

TEST_CASE("broadcasting is undone in gradients") {
  Tensor a = ones({3, 1}), b = ones({2, 1, 4});
  GradientTape tape;
  tape.watch(a);
  tape.watch(b);
  auto [da, db] = tape.gradient(a * b * 2.0, a, b);
  CHECK(da.shape() == Shape({3, 1}));
  CHECK(db.shape() == Shape({2, 1, 4}));
  CHECK(values(da)[0] == 16);
  CHECK(values(db)[0] == 6);
}

TEST_CASE("a hook is told each gradient when it is final, the last layers' first") {
  struct Hook final : GradientHook {
    std::vector<std::pair<std::size_t, double>> told;
    void ready(std::size_t i, const Tensor& g) override { told.emplace_back(i, g.item<double>()); }
  } hook;
  Variable first(constant(2.0)), last(constant(3.0)), twice(constant(0.5)), idle(constant(1.0));
  GradientTape tape({.persistent = true});
  Tensor h = first.value() * twice.value();  // 1
  twice.assign(twice.value() * 2);           // 1: another version
  Tensor y = h * last.value() + twice.value() * first.value();
  const std::vector<GradientSource> sources{first, last, twice, h, idle};
  const auto plain = tape.gradient(y, sources);
  const auto hooked = tape.gradient(y, sources, {.hook = &hook});
  REQUIRE(hook.told.size() == 4);
  const std::size_t order[] = {1, 3, 0,
                               2};  // last and h are read by one product, first and twice by the very first one
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(hook.told[k].first == order[k]);
    CHECK(hook.told[k].second == hooked[order[k]].item<double>());
    CHECK(hook.told[k].second == plain[order[k]].item<double>());
  }
  CHECK(!hooked[4].defined());
  CHECK(hooked[1].item<double>() == 1);
  CHECK(hooked[0].item<double>() == 3 * 0.5 + 1);
}
