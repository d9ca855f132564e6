// Control flow: eager against traced, with gradients.
#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/thrown.h>

using namespace tapir;

namespace {

using List = std::vector<Tensor>;

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && allclose(a, b, {.rtol = 1e-10, .atol = 1e-12});
}

// f is given f64 tensors and returns a tensor: values, first and, where wanted, second derivatives, eager against
// traced.
template <class F>
void check(F f, const List& in, int order = 2) {
  auto gradients = [&](auto g) {
    GradientTape outer;
    for (auto& t : in) outer.watch(t);
    List first, all;
    {
      GradientTape tape;
      for (auto& t : in) tape.watch(t);
      Tensor y = g(in);
      first = tape.gradient(sum(y * y), in, {.unconnected = UnconnectedGradients::zero});
    }
    all = first;
    if (order < 2) return all;
    Tensor target = sum(first[0] * first[0]);
    for (auto& t : outer.gradient(target, in, {.unconnected = UnconnectedGradients::zero})) all.push_back(t);
    return all;
  };
  auto traced = function([&](const List& x) { return f(x); });
  for (int call = 0; call < 2; ++call) CHECK(same(traced(in), f(in)));
  const List expected = gradients(f);
  const List around = gradients(traced);
  auto whole = function([&](const List& x) {
    GradientTape tape;
    for (auto& t : x) tape.watch(t);
    Tensor y = f(x);
    return tape.gradient(sum(y * y), x, {.unconnected = UnconnectedGradients::zero});
  });
  const List inside = whole(in);
  for (std::size_t i = 0; i < around.size(); ++i) CHECK_MESSAGE(same(around[i], expected[i]), "derivative ", i);
  for (std::size_t i = 0; i < inside.size(); ++i)
    CHECK_MESSAGE(same(inside[i], expected[i]), "derivative in the trace ", i);
}

Tensor numbers(const Shape& s, int seed) { return random::uniform(s, {.dtype = DType::f64, .seed = seed}) + 0.2; }

}  // namespace

TEST_CASE("cond") {
  for (double sign : {1.0, -1.0}) {
    check(
        [](const List& x) {
          return cond(
              sum(x[1]) > 0, [&] { return exp(x[0]) * x[1]; }, [&] { return x[0] * x[0] * x[0]; });
        },
        {numbers({3}, 1), numbers({3}, 2) * sign});
  }
  auto pair = function([](const Tensor& x) {
    return cond(
        x > 0, [&] { return std::pair(x * 2.0, zeros({2})); }, [&] { return std::pair(x, ones({2})); });
  });
  CHECK(pair(constant(3.0f)).first.item<float>() == 6);
  CHECK(pair(constant(-3.0f)).second.to_vector<float>() == std::vector<float>{1, 1});
  CHECK(cond(
            constant(true), [] { return constant(1); }, [] { return constant(2); })
            .item<int>() == 1);
}

TEST_CASE("switch_case takes the last branch for every other index") {
  auto f = [](const Tensor& i, const Tensor& x) {
    return switch_case(
        i, [&] { return x; }, [&] { return x * x; }, [&] { return x * x * x; });
  };
  auto traced = function(f);
  Tensor x = constant(2.0);
  for (auto [i, y] : {std::pair(0, 2.0), {1, 4.0}, {2, 8.0}, {7, 8.0}, {-1, 8.0}}) {
    CHECK(f(constant(i), x).item<double>() == y);
    CHECK(traced(constant(i), x).item<double>() == y);
  }
  for (int i : {0, 1, 2}) check([&](const List& in) { return f(constant(i), in[0]); }, {numbers({2, 2}, 3)});
}

TEST_CASE("while_loop: rounds that depend on data") {
  check(
      [](const List& x) {  // doubles until large
        return while_loop([](const Tensor& t) { return sum(t) < 100.0; },
                          [&](const Tensor& t) { return t * 2.0 + x[1]; }, x[0]);
      },
      {numbers({3}, 4), numbers({3}, 5)}, 1);
  check(
      [](const List& x) {  // no round at all
        return while_loop([](const Tensor& t) { return sum(t) < 0.0; }, [&](const Tensor& t) { return t * x[1]; },
                          x[0]);
      },
      {numbers({3}, 4), numbers({3}, 5)}, 1);
  auto limited = [](const Tensor& x) {
    return while_loop([](const Tensor&) { return constant(true); }, [](const Tensor& t) { return t + 1.0; }, x,
                      {.max_iterations = 3});
  };
  CHECK(message([&] { limited(constant(0.0)); }) == "while_loop: more than max_iterations = 3 rounds.");
  auto traced = function(limited);
  CHECK(message([&] { traced(constant(0.0)); }) == "while_loop: more than max_iterations = 3 rounds.");
}

TEST_CASE("for_loop: unrolled and not, derivatives of both orders") {
  for (int n : {0, 3, 20})
    check(
        [n](const List& x) {
          return for_loop(
              0, n, [&](const Tensor& i, const Tensor& t) { return sin(t) * x[1] + i.astype(DType::f64) * 0.1; }, x[0]);
        },
        {numbers({2}, 6), numbers({2}, 7)});
}

TEST_CASE("scan: a recurrent cell") {
  auto cell = [](const List& in) {  // h0 [2], xs [5, 3], w [5, 2]
    auto [h, ys] = scan(
        [&](const Tensor& h, const Tensor& x) {
          Tensor next = tanh(matmul(concat({h, x}), in[2]));
          return std::pair(next, next * 2.0);
        },
        in[0], in[1]);
    return concat({h, reshape(ys, {-1})});
  };
  check(cell, {numbers({2}, 8), numbers({5, 3}, 9), numbers({5, 2}, 10)});
  auto [total, sums] = scan([](const Tensor& c, const Tensor& x) { return std::pair(c + x, c + x); }, constant(0.0f),
                            tensor({1.0f, 2.0f, 3.0f}));
  CHECK(total.item<float>() == 6);
  CHECK(sums.to_vector<float>() == std::vector<float>{1, 3, 6});
}

TEST_CASE("nested: a loop in a branch in a loop") {
  check(
      [](const List& x) {
        return for_loop(
            0, 12,
            [&](const Tensor& i, const Tensor& t) {
              return cond(
                  i < 6,
                  [&] {
                    return while_loop([](const Tensor& u) { return sum(u) < 4.0; },
                                      [&](const Tensor& u) { return u * 1.5 + x[1]; }, t);
                  },
                  [&] { return t * x[1]; });
            },
            x[0]);
      },
      {numbers({2}, 11), numbers({2}, 12)}, 1);
}

TEST_CASE("variables are read and assigned in branches and loops") {
  auto run = [](bool traced) {
    Variable count(constant(0.0), "count"), weight(constant(2.0), "weight");
    auto body = [&](const Tensor& x) {
      cond(
          x > 0,
          [&] {
            count.assign_add(constant(10.0));
            return constant(0);
          },
          [&] { return constant(0); });
      Tensor y = for_loop(
          0, 9,
          [&](const Tensor&, const Tensor& t) {
            count.assign_add(constant(1.0));
            return t + weight.value();
          },
          x);
      return while_loop([&](const Tensor&) { return count.value() < 25.0; },
                        [&](const Tensor& t) {
                          count.assign_add(constant(1.0));
                          return t * weight.value();
                        },
                        y) +
             count.value();
    };
    auto f = function(body);
    GradientTape tape;
    Tensor y = traced ? f(constant(1.0)) : body(constant(1.0));
    return List{y, count.value(), tape.gradient(y, weight)};
  };
  const List eager = run(false), traced = run(true);
  for (std::size_t i = 0; i < eager.size(); ++i) CHECK(traced[i].item<double>() == eager[i].item<double>());
}

TEST_CASE("any batch size, in loops too") {
  auto f = [](const Tensor& x) {
    return for_loop(
        0, 10, [&](const Tensor&, const Tensor& t) { return t * 0.5 + sum(x, {.axis = 0}) / double(x.shape(0)); }, x);
  };
  auto traced = function(f, {.signature = {TensorSpec({unknown, 2}, DType::f64)}});
  for (int n : {1, 4, 7}) CHECK(same(traced(numbers({n, 2}, n)), f(numbers({n, 2}, n))));
  CHECK(traced.trace_count() == 1);
}

TEST_CASE("bodies that know an unknown size from outside alone") {
  auto f = [](const Tensor& x) {
    const std::int64_t n = x.shape(0);
    Tensor start = sum(x, {.axis = 0}) * 0.01;
    Tensor a = for_loop(
        0, 10,
        [&](const Tensor&, const Tensor& t) {
          return sum(broadcast_to(tanh(t), {n, 2}), {.axis = 0}) / double(n + 1);
        },
        start);
    Tensor b = cond(
        sum(a) > 0,
        [&] {
          return sum(broadcast_to(a, {n, 2}));
        },
        [&] { return double(n) * sum(a); });
    return for_loop(
               0, 9,
               [&](const Tensor&, const Tensor& t) {
                 return cond(
                     sum(t) > 1e9, [&] { return t; },
                     [&] {
                       return sum(broadcast_to(t, {n, 2}), {.axis = 0}) / double(2 * n);
                     });
               },
               a) +
           b;
  };
  auto gradient = [&](const Tensor& x) {
    GradientTape tape;
    tape.watch(x);
    return tape.gradient(sum(f(x)), x);
  };
  const TensorSpec spec({unknown, 2}, DType::f64);
  auto traced = function(f, {.signature = {spec}});
  auto whole = function([&](const Tensor& x) { return gradient(x); }, {.signature = {spec}});
  for (int n : {1, 4, 7}) {
    Tensor x = numbers({n, 2}, n);
    CHECK(same(traced(x), f(x)));
    CHECK(same(whole(x), gradient(x)));
    GradientTape tape;
    tape.watch(x);
    CHECK(same(tape.gradient(sum(traced(x)), x), gradient(x)));
  }
  CHECK(traced.trace_count() == 1);
  CHECK(whole.trace_count() == 1);
}

TEST_CASE("what does not fit says so") {
  auto f = function([](const Tensor& x) {
    return cond(
        x > 0, [&] { return x; },
        [&] {
          return stack({x, x});
        });
  });
  CHECK(message([&] { f(constant(1.0f)); }) ==
        "cond: one branch gives f32[], another f32[2]; in a trace they must agree.");
  CHECK(message([&] {
          cond(
              ones({2}) > 0, [] { return constant(1); }, [] { return constant(1); });
        }) == "cond: the condition must be a scalar, got [2].");
  CHECK(message([&] {
          cond(
              constant(1.0f), [] { return constant(1); }, [] { return constant(1); });
        }) == "cond: the condition must be bool, got f32. Compare it: x != 0.");
  auto grows = [](const Tensor& x) {
    return while_loop([](const Tensor& t) { return sum(t) < 10.0; }, [](const Tensor& t) { return concat({t, t}); }, x);
  };
  CHECK(message([&] { grows(ones({2})); }) ==
        "while_loop: state 0 changes from f32[2] to f32[4]; loops keep dtypes and shapes.");
  auto traced = function(grows);
  CHECK(message([&] { traced(ones({2})); }) ==
        "while_loop: state 0 changes from f32[2] to f32[4]; loops keep dtypes and shapes.");
  CHECK(message([&] {
          scan([](const Tensor& s, const Tensor& x) { return std::pair(s, x); }, ones({2}), constant(1.0f));
        }) == "scan: xs must have a first axis to go over, got a scalar.");
}

TEST_CASE("a tape in a branch goes on when the branch reads a variable") {
  Variable w(constant(3.0, DType::f64), "w");
  auto f = [&](const Tensor& x) {
    return cond(
        sum(x) > 0.0,
        [&] {
          GradientTape tape;
          tape.watch(x);
          Tensor y = sum(x * x * w.value());
          auto g = tape.gradient(y, std::vector<GradientSource>{x, w});
          return g[0] * g[1];
        },
        [&] { return x; });
  };
  auto traced = function(f);
  Tensor x = numbers({2}, 13);
  CHECK(same(traced(x), f(x)));
}
