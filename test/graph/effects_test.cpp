// print, check and draws: on every call, in order, in bodies of control flow, once also where there are gradients.
#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/thrown.h>

#include <cmath>
#include <cstdio>
#include <iostream>
#include <sstream>

using namespace tapir;

namespace {

// What f() writes to std::cout.
template <class F>
std::string written(F f) {
  std::ostringstream text;
  struct Restore {
    std::streambuf* old;
    ~Restore() { std::cout.rdbuf(old); }
  } restore{std::cout.rdbuf(text.rdbuf())};
  f();
  return text.str();
}

std::string here(int line, const std::string& rest) { return "effects_test.cpp:" + std::to_string(line) + ": " + rest; }

}  // namespace

TEST_CASE("print: at once, as NumPy does, with a label") {
  CHECK(written([] { print(tensor({1.0f, 2.5f})); }) == "tensor([1. , 2.5], dtype=f32)\n");
  CHECK(written([] { print(Variable(constant(3)), "count"); }) == "count: tensor(3, dtype=i32)\n");
  CHECK(written([] {
          print(tensor({{1, 2}, {3, 4}}), "ab");
        }) ==
        "ab: tensor([[1, 2],\n"
        "            [3, 4]], dtype=i32)\n");
  CHECK(written([] { print(permute_dims(tensor({{1, 2}, {3, 4}}), {1, 0})[0]); }) == "tensor([1, 3], dtype=i32)\n");
  CHECK(written([] { print(zeros({0})); }) == "tensor([], dtype=f32)\n");
  CHECK(written([] { print(ones({1, 2, 1}), "x"); }) == "x: tensor([[[1.],\n            [1.]]], dtype=f32)\n");
}

TEST_CASE("check: at once, with the line and how many") {
  check(constant(true), "fine");
  check(zeros({0}) > 1.0, "nothing to be wrong");
  check(true, "a C++ bool");
  int line = 0;
  std::string text = thrown([&] {
    line = __LINE__ + 1;
    check(constant(false), "the loss is finite.");
  });
  CHECK(text == here(line, "check: the loss is finite."));
  const Tensor x = tensor({{1, 0, 3}, {1, 0, 2}});
  CHECK(thrown([&] { check(x != 0, "no zeros"); }).find(": check: no zeros (2 of 6 are false, the first at [0, 1]).") !=
        text.npos);
  CHECK(thrown([&] {
          check(permute_dims(x, {1, 0}) < 3, "small");
        }).find(": check: small (1 of 6 is false, the first at [2, 0]).") != text.npos);
  CHECK(thrown([&] {
          check(constant(1.0f), "x");
        }).find(": check: the condition must be bool, got f32. Compare it: x != 0.") != text.npos);
}

TEST_CASE("in a trace: on every call, in the order of the program") {
  int line = 0;
  auto f = function([&](const Tensor& x) {
    print(x, "x");
    Tensor y = x * 2.0;
    line = __LINE__ + 1;
    check(y < 10.0, "y is small");
    print(y, "y");
    print(constant(7), "a constant");
    print(y, "y");  // the same once more
    return x;       // nobody reads y
  });
  for (int i = 0; i < 3; ++i)
    CHECK(written([&] { f(constant(float(i))); }) == "x: tensor(" + std::to_string(i) + "., dtype=f32)\ny: tensor(" +
                                                         std::to_string(2 * i) +
                                                         "., dtype=f32)\na constant: tensor(7, dtype=i32)\ny: tensor(" +
                                                         std::to_string(2 * i) + "., dtype=f32)\n");
  std::string text, out = written([&] { text = thrown([&] { f(constant(5.0f)); }); });
  CHECK(text == here(line, "check: y is small."));
  CHECK(out == "x: tensor(5., dtype=f32)\n");
  CHECK(f.trace_count() == 1);
  CHECK(written([&] { f(constant(1.0f)); }).size() > 50);  // and it goes on
}

TEST_CASE("a failed check leaves variables as they were") {
  Variable v(constant(1.0), "v");
  auto f = function([&](const Tensor& x) {
    v.assign(x);
    check(v.value() > 0.0, "positive");
    return v.value();
  });
  f(constant(3.0));
  CHECK(thrown([&] { f(constant(-1.0)); }).find("check: positive.") != std::string::npos);
  CHECK(v.value().item<double>() == 3);
}

TEST_CASE("prints are seen once where there are gradients, of both orders") {
  auto body = [](const Tensor& x) {
    print(x, "x");
    return sum(exp(x) * x);
  };
  auto f = function(body);
  Tensor x = constant(2.0, DType::f64);
  const std::string once = "x: tensor(2., dtype=f64)\n";
  CHECK(written([&] {
          GradientTape outer;
          outer.watch(x);
          Tensor g;
          {
            GradientTape tape;
            tape.watch(x);
            g = tape.gradient(f(x), x);
          }
          CHECK(outer.gradient(g, x).item<double>() == doctest::Approx(4 * std::exp(2.0)));
        }) == once);
  auto whole = function([&](const Tensor& t) {
    GradientTape tape;
    tape.watch(t);
    return tape.gradient(body(t), t);
  });
  for (int i = 0; i < 2; ++i) CHECK(written([&] { whole(x); }) == once);
}

TEST_CASE("prints in control flow happen although nobody reads the result") {
  auto body = [](const Tensor& x) {
    cond(
        x > 0.0,
        [&] {
          print(x, "positive");
          return x;
        },
        [&] {
          print(x, "other");
          return x;
        });
    for_loop(
        0, 10,
        [](const Tensor& i, const Tensor& s) {
          cond(
              i >= 8,
              [&] {
                print(i, "i");
                return i;
              },
              [&] { return i; });
          return s;
        },
        x);
    while_loop([](const Tensor& t) { return t < 2.0; },
               [](const Tensor& t) {
                 print(t, "t");
                 return t + 1.0;
               },
               constant(0.0));
    return x * x;
  };
  auto f = function(body);
  for (double v : {1.0, -1.0}) {
    const std::string eager = written([&] { body(constant(v)); });
    CHECK(written([&] { f(constant(v)); }) == eager);
    CHECK(written([&] {
            GradientTape tape;
            Tensor x = constant(v);
            tape.watch(x);
            CHECK(tape.gradient(f(x), x).item<double>() == 2 * v);
          }) == eager);
  }
}

TEST_CASE("prints in loops are seen once where there are gradients") {
  auto body = [](const Tensor& x) {
    Tensor y = for_loop(
        0, 9,
        [](const Tensor& i, const Tensor& s) {
          print(i);
          return s * s * 0.5 + 0.1;
        },
        x);
    auto [z, all] = scan(
        [](const Tensor& s, const Tensor& u) {
          print(u);
          return std::pair(s * u, s);
        },
        y, reshape(stack({x, y}), {2}));
    return while_loop([](const Tensor& t) { return t < 50.0; },
                      [](const Tensor& t) {
                        print(t > 25.0);
                        return t * 2.0;
                      },
                      z) +
           sum(all);
  };
  auto f = function(body);
  auto gradient = [](auto g) {
    Tensor x = constant(1.5);
    GradientTape tape;
    tape.watch(x);
    return tape.gradient(g(x), x).template item<double>();
  };
  double expected = 0, around = 0, inside = 0;
  const std::string eager = written([&] { expected = gradient(body); });
  CHECK(written([&] { around = gradient(f); }) == eager);
  auto whole = function([&](const Tensor& t) {
    GradientTape tape;
    tape.watch(t);
    return tape.gradient(body(t), t);
  });
  CHECK(written([&] { inside = whole(constant(1.5)).item<double>(); }) == eager);
  CHECK(around == doctest::Approx(expected).epsilon(1e-12));
  CHECK(inside == doctest::Approx(expected).epsilon(1e-12));
}

TEST_CASE("draws follow the same order traced and eager") {
  auto body = [](const Tensor& x) {
    Tensor a = random::uniform({2}, {.dtype = DType::f64});
    Tensor b = for_loop(
        0, 10,
        [](const Tensor&, const Tensor& s) {
          return s +
                 random::normal({2}, {.dtype = DType::f64}) *
                     for_loop(
                         0, 9,
                         [](const Tensor&, const Tensor& t) { return t + random::uniform({2}, {.dtype = DType::f64}); },
                         s);
        },
        a + x);
    Tensor c = cond(
        sum(x) > 0.0, [&] { return b * random::uniform({2}, {.dtype = DType::f64}); },
        [&] { return b - random::uniform({2}, {.dtype = DType::f64}); });
    auto [d, ys] = scan(
        [](const Tensor& s, const Tensor& u) {
          Tensor r = random::uniform({2}, {.dtype = DType::f64});
          return std::pair(s + r, u * r);
        },
        c, x);
    Tensor e = while_loop([](const Tensor& t) { return sum(t) < 1e4; },
                          [](const Tensor& t) { return t * t + random::uniform({2}, {.dtype = DType::f64}); }, abs(d));
    return concat({e, sum(ys, {.axis = 0}), random::uniform({2}, {.dtype = DType::f64})});
  };
  auto f = function(body), open = function(body, {.signature = {TensorSpec({unknown}, DType::f64)}});
  for (double sign : {1.0, -1.0}) {
    Tensor x = tensor({0.5, 0.25}, DType::f64) * sign;
    random::set_seed(3);
    const Tensor first = body(x), second = body(x);
    for (auto* g : {&f, &open}) {
      random::set_seed(3);
      CHECK(allclose((*g)(x), first, {.rtol = 1e-12}));
      CHECK(allclose((*g)(x), second, {.rtol = 1e-12}));
    }
  }
}

TEST_CASE("gradients see the draws of the call, of both orders") {
  auto body = [](const Tensor& x) {
    Tensor a = x * random::uniform({3}, {.dtype = DType::f64});
    Tensor b = for_loop(
        0, 10,
        [](const Tensor&, const Tensor& s) {
          return sin(s) * random::normal({3}, {.mean = 1, .dtype = DType::f64}) + s * 0.1;
        },
        a);
    return cond(
        sum(x) > 0.0, [&] { return b * dropout(b * x, 0.5); }, [&] { return b; });
  };
  auto both = [](auto g) {
    random::set_seed(11);
    Tensor x = tensor({0.5, 0.25, 0.75}, DType::f64), first;
    GradientTape outer;
    outer.watch(x);
    {
      GradientTape tape;
      tape.watch(x);
      first = tape.gradient(sum(square(g(x))), x);
    }
    return concat({first, outer.gradient(sum(first), x)});
  };
  auto f = function(body);
  const Tensor expected = both(body);
  CHECK(allclose(both(f), expected, {.rtol = 1e-10, .atol = 1e-12}));
  auto whole = function([&](const Tensor& t) {
    Tensor first;
    GradientTape outer;
    outer.watch(t);
    {
      GradientTape tape;
      tape.watch(t);
      first = tape.gradient(sum(square(body(t))), t);
    }
    return concat({first, outer.gradient(sum(first), t)});
  });
  random::set_seed(11);
  CHECK(allclose(whole(tensor({0.5, 0.25, 0.75}, DType::f64)), expected, {.rtol = 1e-10, .atol = 1e-12}));
}

TEST_CASE("a while_loop that draws has no gradient in a trace, and says so") {
  auto f = function([](const Tensor& x) {
    return while_loop([](const Tensor& t) { return t < 10.0; },
                      [](const Tensor& t) { return t + random::uniform({}, {.dtype = DType::f64}); }, x);
  });
  Tensor x = constant(1.0, DType::f64);
  CHECK(f(x).item<double>() >= 10);
  GradientTape tape;
  tape.watch(x);
  Tensor y = f(x);
  CHECK(thrown([&] { tape.gradient(y, x); })
            .find("gradient: a while_loop in a trace draws random numbers, which its gradient cannot draw again. Give "
                  "the draws a seed, or use "
                  "for_loop or scan.") != std::string::npos);
}

TEST_CASE("what fails in a body of control flow names its own line, traced and eager") {
  int line = 0;
  auto bodies = [&](const Tensor& x) {
    Tensor y = for_loop(
        0, 9,
        [&](const Tensor& i, const Tensor& s) {
          line = __LINE__ + 1;
          check(i < 5, "i is small");
          return s;
        },
        x);
    return y;
  };
  auto branch = [&](const Tensor& x) {
    return cond(
        x > 0.0,
        [&] {
          line = __LINE__ + 1;
          check(x < 2.0, "x is small");
          return x;
        },
        [&] { return x; });
  };
  auto loop = function(bodies);
  auto chosen = function(branch);
  const Tensor three = constant(3.0);
  std::string text;
  text = thrown([&] { bodies(three); });
  CHECK(text == here(line, "check: i is small."));
  text = thrown([&] { loop(three); });
  CHECK(text == here(line, "check: i is small."));
  text = thrown([&] { branch(three); });
  CHECK(text == here(line, "check: x is small."));
  text = thrown([&] { chosen(three); });
  CHECK(text == here(line, "check: x is small."));
  auto wrong = [&](const Tensor& x) {
    return while_loop([](const Tensor& t) { return t < 5.0; },
                      [&](const Tensor& t) {
                        line = __LINE__ + 1;
                        return matmul(t, t);
                      },
                      x);
  };
  const std::string rule = "matmul: needs operands of rank 1 or more, got [] and []. Multiply by scalars with *.";
  text = thrown([&] { wrong(three); });
  CHECK(text == here(line, rule));
  text = thrown([&] { function(wrong)(three); });
  CHECK(text == here(line, rule));
}

TEST_CASE("prints and checks are kept in files") {
  auto f = function([](const Tensor& x) {
    print(x, "x");
    check(x > 0.0, "positive");
    return x + 1.0;
  });
  written([&] { f(constant(1.0)); });
  const std::string path = "effects_test.tapir";
  f.save(path);
  auto loaded = load_function(path);
  CHECK(written([&] { CHECK(loaded({constant(2.0)})[0].item<double>() == 3); }) == "x: tensor(2., dtype=f32)\n");
  int line = 0;
  const std::string text = thrown([&] {
    line = __LINE__ + 1;
    loaded({constant(-2.0)});
  });
  CHECK(text == here(line, "check: positive."));
  std::remove(path.c_str());
}
