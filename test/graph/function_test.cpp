// function(): when it traces, what it captures, what it refuses.
#include <doctest/doctest.h>
#include <tapir/graph/concrete.h>
#include <tapir/tapir.h>
#include <tapir/test/thrown.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <map>
#include <sstream>
#include <thread>

using namespace tapir;

namespace {

using List = std::vector<Tensor>;

}  // namespace

TEST_CASE("one trace a signature; plain arguments join it") {
  int traces = 0;
  auto f = function([&](const Tensor& x, double scale, bool twice) {
    ++traces;
    return twice ? x * scale * 2.0 : x * scale;
  });
  Tensor x = tensor({1.0f, 2.0f});
  CHECK(f(x, 3.0, false).to_vector<float>() == std::vector<float>{3, 6});
  CHECK(f(x, 3.0, false).to_vector<float>() == std::vector<float>{3, 6});
  CHECK(traces == 1);
  CHECK(f(x, 4.0, false).to_vector<float>() == std::vector<float>{4, 8});
  CHECK(f(x, 3.0, true).to_vector<float>() == std::vector<float>{6, 12});
  CHECK(f(x.astype(DType::f64), 3.0, true).dtype() == DType::f64);
  CHECK(traces == 4);
  CHECK(f.trace_count() == 4);
}

namespace {
struct State {
  Tensor h;
  std::vector<Tensor> c;
  template <class V>
  void visit(V&& v) {
    v(h), v(c);
  }
};
}  // namespace

TEST_CASE("structures go in and come out") {
  auto f = function([](const State& s, const std::tuple<Tensor, Tensor>& pair, const std::string& name) {
    State next{s.h + std::get<0>(pair), s.c};
    for (auto& t : next.c) t = t * (name == "double" ? 2.0 : 1.0);
    return std::pair(next, std::map<std::string, Tensor>{{"sum", sum(std::get<1>(pair))}});
  });
  Tensor one = ones({2});
  auto [state, sums] = f(State{one, {one, one}}, std::tuple(one, one), "double");
  CHECK(state.h.to_vector<float>() == std::vector<float>{2, 2});
  REQUIRE(state.c.size() == 2);
  CHECK(state.c[1].to_vector<float>() == std::vector<float>{2, 2});
  CHECK(sums.at("sum").item<float>() == 2);
  f(State{one, {one}}, std::tuple(one, one), "double");  // another length is another signature
  CHECK(f.trace_count() == 2);
}

TEST_CASE("tensors are captured as constants, variables by reference") {
  Tensor c = tensor({1.0f, 2.0f});
  Variable v(tensor({10.0f, 20.0f}), "v");
  auto f = function([&](const Tensor& x) {
    Tensor before = v.value();
    v.assign_add(x);
    v.assign(v.value() * 2.0);
    return before + v.value() * c;
  });
  Tensor x = tensor({1.0f, 1.0f});
  CHECK(f(x).to_vector<float>() == std::vector<float>{10 + 22, 20 + 84});
  CHECK(v.value().to_vector<float>() == std::vector<float>{22, 42});
  v.assign(zeros({2}));
  c = zeros({2});  // the trace has the old one
  CHECK(f(x).to_vector<float>() == std::vector<float>{2, 4});
  CHECK(f.trace_count() == 1);
}

TEST_CASE("random draws and effects happen on every call") {
  auto draw = function([] { return random::uniform({4}); });
  CHECK_FALSE(allclose(draw(), draw()));
  auto seeded = function([] { return random::uniform({4}, {.seed = 7}); });
  CHECK(equal(seeded(), random::uniform({4}, {.seed = 7})).to_vector<bool>() == std::vector<bool>(4, true));
}

TEST_CASE("a dimension that takes three sizes becomes unknown") {
  auto f = function([](const Tensor& x, const Tensor& y) { return mean(x * y, {.axis = 0}) + reshape(x, {-1, 2})[0]; });
  auto eager = [](const Tensor& x, const Tensor& y) { return mean(x * y, {.axis = 0}) + reshape(x, {-1, 2})[0]; };
  for (int n : {2, 3, 4, 5, 6, 9}) {
    Tensor x = random::normal({n, 2}, {.seed = n}), y = random::normal({n, 2}, {.seed = n + 20});
    CHECK(allclose(f(x, y), eager(x, y)));
  }
  CHECK(f.trace_count() == 3);
  auto fixed = function([](const Tensor& x) { return x + 1.0; }, {.generalise = false});
  for (int n : {2, 3, 4, 5}) fixed(ones({n}));
  CHECK(fixed.trace_count() == 4);
}

// Wherever its C++ decides by a size, each size has a graph that does what the body says.
TEST_CASE("C++ that decides by an unknown size is seen, and traced for each size") {
  struct Case {
    const char* name;
    std::function<Tensor(const Tensor&)> body;
    std::string why;
  };
  auto at = [](const Tensor& x) { return x.shape(0); };
  const Case cases[] = {
      {"a threshold above the first sizes", [&](const Tensor& x) { return at(x) > 100 ? x * 2.0 : x + 1.0; },
       "it calls multiply"},
      {"a threshold below them", [&](const Tensor& x) { return at(x) < 3 ? x * 2.0 : x + 1.0; }, ""},
      {"one size of many", [&](const Tensor& x) { return at(x) == 70 ? x * 2.0 : x + 1.0; }, ""},
      {"a range", [&](const Tensor& x) { return at(x) >= 16 && at(x) < 128 ? x * 2.0 : x + 1.0; }, ""},
      {"odd sizes", [&](const Tensor& x) { return at(x) % 2 ? x * 2.0 : x + 1.0; }, "it calls multiply"},
      {"half of a size", [&](const Tensor& x) { return x * double(at(x) / 2); }, "multiply (function_test.cpp:"},
      {"multiples of 64", [&](const Tensor& x) { return at(x) % 64 == 0 ? x : x + 1.0; }, "it calls add"},
      {"a result that is an argument", [&](const Tensor& x) { return at(x) > 80 ? x : x * 1.0; }, "it calls"},
      {"a number", [&](const Tensor& x) { return x * (at(x) > 80 ? 2.0 : 3.0); }, "multiply (function_test.cpp:"},
      {"an attribute",
       [&](const Tensor& x) {
         return sum(reshape(x, {-1, 1}), {.axis = at(x) > 80 ? 0 : 1});
       },
       "sum (function_test.cpp:"},
      {"another operand",
       [&](const Tensor& x) {
         Tensor y = exp(x), z = tanh(x);
         return at(x) > 80 ? y - z : z - y;
       },
       "subtract (function_test.cpp:"},
      {"a branch",
       [&](const Tensor& x) {
         return cond(
             sum(x) > 1.0, [&] { return at(x) > 80 ? x * 2.0 : x * 3.0; }, [&] { return x; });
       },
       "switch (function_test.cpp:"},
  };
  for (auto& c : cases) {
    CAPTURE(c.name);
    auto f = function(c.body);
    for (int n : {4, 6, 5, 8, 1, 2, 64, 3, 0, 100, 70, 200, 128, 300, 301, 7, 90}) {
      if (std::string(c.name) == "one size of many" && n == 70) continue;  // not seen: 64 and 100 behave alike
      Tensor x = random::uniform({n}, {.seed = n});
      CHECK_MESSAGE(equal(f(x), c.body(x)).to_vector<bool>() == std::vector<bool>(std::size_t(c.body(x).size()), true),
                    n);
    }
    if (!c.why.empty())
      CHECK_MESSAGE(f.explain().find("the body does not take unknown sizes (" + c.why) != std::string::npos,
                    f.explain());
  }
  // The same body is not tried again and again.
  int runs = 0;
  auto f = function([&](const Tensor& x) { return ++runs, x.shape(0) > 80 ? x * 2.0 : x + 1.0; });
  for (int n = 4; n < 14; ++n) f(ones({n}));
  CHECK(f.trace_count() == 10);
  CHECK(runs == 11);
}

TEST_CASE("bodies run once a trace unless they ask for sizes, and for what is no decision one trace serves all sizes") {
  int runs = 0;
  auto plain = function([&](const Tensor& x) { return ++runs, x * 2.0 + mean(x); });
  for (int n : {4, 5, 6, 70, 800}) CHECK(plain(ones({n})).shape() == Shape{n});
  CHECK(runs == 3);
  const FunctionOptions open{.signature = {TensorSpec({unknown})}};
  auto given = function([&](const Tensor& x) { return ++runs, reshape(x, {x.shape(0), 1}); }, open);
  for (int n : {4, 5, 6, 70, 800}) CHECK(given(ones({n})).shape() == Shape{n, 1});
  CHECK(runs == 4);  // who gives a signature vouches for the body
  // Variables, constants and draws of each trace are no decisions.
  Variable w(constant(2.0f), "w");
  auto fine = function([&](const Tensor& x) {
    Variable mine(constant(3.0f), "mine");
    w.assign_add(constant(1.0f));
    return x * w.value() * mine.value() + tensor({1.0f}) + 0.0 * random::uniform({x.shape(0)});
  });
  for (int n : {5, 50, 500}) fine(ones({n}));
  CHECK(fine(ones({3})).to_vector<float>()[0] == 3 * 6 + 1);
  CHECK(fine.trace_count() == 3);
}

TEST_CASE("sizes in C++ numbers are followed") {
  auto f = function(
      [](const Tensor& x) {
        const double n = double(x.shape(0));
        return sum(x, {.axis = 0}) * (1.0 / n) + std::sqrt(n) + zeros({x.shape(0) - 1, 2})[0] +
               sum(broadcast_to(constant(2.0, DType::f64), {x.shape(0), 2}), {.axis = 0});
      },
      {.signature = {TensorSpec({unknown, 2}, DType::f64)}});
  for (int n : {4, 9, 25}) {
    Tensor y = f(ones({n, 2}, DType::f64));
    CHECK(y.to_vector<double>()[0] == doctest::Approx(1 + std::sqrt(double(n)) + 2.0 * n));
  }
  CHECK(f.trace_count() == 1);
}

TEST_CASE("counting up to an unknown size") {
  auto body = [](const Tensor& x) {
    const std::int64_t n = x.shape(0);
    return List{x + arange(n, {.dtype = DType::f64}),
                arange(3, 2 * n + 3, 2),
                arange(0.0, double(n), 0.5),
                linspace(0, 1, n, {.dtype = DType::f64}),
                linspace(5, -5, n + 1, {.endpoint = false}),
                eye(n, n + 1, {.k = 1}),
                arange(n, 0, -1)};
  };
  auto f = function(body, {.signature = {TensorSpec({unknown}, DType::f64)}});
  for (int n : {4, 1, 7, 1000}) {
    const Tensor x = random::normal({n}, {.dtype = DType::f64, .seed = n});
    const List got = f(x), expected = body(x);
    for (std::size_t i = 0; i < got.size(); ++i) CHECK_MESSAGE(array_equal(got[i], expected[i]), i, " for ", n);
  }
  CHECK(f.trace_count() == 1);
  // Of a size that is known they are constants.
  auto fixed =
      function([](const Tensor& x) { return x + arange(3, {.dtype = DType::f64}) + eye(3, {.dtype = DType::f64}); });
  CHECK(array_equal(fixed(zeros({3}, DType::f64))[1], tensor({0.0, 2.0, 2.0}, DType::f64)));
  CHECK(fixed.get_concrete({TensorSpec({3}, DType::f64)}).graph().find("arange") == std::string::npos);
}

TEST_CASE("one unknown size may come twice in a shape") {
  auto attend = [](const Tensor& x) {
    return sum(matmul(softmax(matmul(x, x, {.transpose_b = true})), x), {.axis = 0}) / double(x.shape(0) * x.shape(0));
  };
  auto f = function(attend, {.signature = {TensorSpec({unknown, 3}, DType::f64)}});
  for (int n : {1, 4, 7}) {
    Tensor x = random::normal({n, 3}, {.dtype = DType::f64, .seed = n});
    CHECK(allclose(f(x), attend(x), {.rtol = 1e-12}));
  }
  CHECK(f.trace_count() == 1);
}

TEST_CASE("filled tensors of an unknown size") {
  auto body = [](const Tensor& x) {
    Tensor unused = constant(1.0, DType::f64);
    GradientTape tape;
    tape.watch(x), tape.watch(unused);
    Tensor y = x * ones_like(x) + full({x.shape(0), 1}, 2.0, DType::f64);
    Tensor z = concat({zeros({x.shape(0), 1}, DType::f64), y}, {.axis = 1});
    auto g = tape.gradient(sum(z), List{x, x * 2.0}, {.unconnected = UnconnectedGradients::zero});
    return List{z, g[0], g[1], zeros({x.shape(0) + 1})};
  };
  auto f = function(body, {.signature = {TensorSpec({unknown, 3}, DType::f64)}});
  for (int n : {1, 4, 7}) {
    Tensor x = random::normal({n, 3}, {.dtype = DType::f64, .seed = n});
    const List got = f(x), expected = body(x);
    for (std::size_t i = 0; i < got.size(); ++i) {
      CHECK(got[i].shape() == expected[i].shape());
      CHECK(allclose(got[i], expected[i]));
    }
  }
  CHECK(f.trace_count() == 1);
}

TEST_CASE("sizes that were one in the trace and are two now are traced again") {
  auto f = function([](const Tensor& x, const Tensor& y) { return sum(x) * sum(y); },
                    {.signature = {TensorSpec({unknown}, DType::f32), TensorSpec({unknown}, DType::f32)}});
  CHECK(f(ones({3}), ones({3})).item<float>() == 9);
  CHECK(f(ones({3}), ones({4})).item<float>() == 12);
  CHECK(f(ones({5}), ones({2})).item<float>() == 10);
  CHECK(f.trace_count() == 2);
}

TEST_CASE("what cannot be done in a trace says so") {
  const std::string file = "function_test.cpp:";
  const std::string traced = "this tensor has no value yet, it is being traced by function(). ";
  const std::string instead = traced + "Use cond() or while_loop() instead of a C++ `if`, and print() to look at it.";
  Tensor one = constant(1.0f);
  // Tracing the body says so, at the line that it notes itself.
  int line = 0;
  auto refuses = [&](auto body, const std::string& text) {
    auto f = function(body);
    try {
      f(one);
      FAIL_CHECK(text);
    } catch (const UsageError& e) {
      CHECK(e.what() == file + std::to_string(line) + ": " + text);
    }
  };
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        return x.item<float>() > 0 ? x : -x;
      },
      "item: " + instead);
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        return x * double(x.to_vector<float>()[0]);
      },
      "to_vector: " + instead);
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        return x * double(x.view<float>()[0]);
      },
      "view: " + instead);
  Variable v(one, "v");
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        return v.value().item<float>() > 0 ? x : -x;
      },
      "item: " + instead);
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        return allclose(x, 1.0) ? x : -x;
      },
      "allclose: " + traced + "Compare with operations, all(abs(x - y) < 1e-6), for cond() or check().");
  const std::string unknown_shape =
      "nonzero: how many elements are set, and so the shape, is not known while function() traces. Use "
      "where(mask, x, 0), or do it outside.";
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        return boolean_mask(stack({x}), stack({x}) > 0.0);
      },
      unknown_shape);
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        return stack({x})[stack({x}) > 0.0];
      },
      unknown_shape);
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        io::save_npy("never.npy", x);
        return x;
      },
      "save_npy: tensor has no value yet, it is being traced by function(). Return it from the function and save it "
      "outside.");
  refuses(
      [&](const Tensor& x) {
        line = __LINE__ + 1;
        return Variable(x, "v").value();
      },
      "Variable: 'v' is made from a traced value. Make variables outside function().");
  refuses(
      [&](const Tensor& x) {
        std::ostringstream out;
        line = __LINE__ + 1;
        out << x;
        return x;
      },
      "print: this tensor has no value yet, it is being traced by function() (f32 []). To see it on every call write "
      "print(x).");
  static_assert(!std::is_constructible_v<bool, Tensor>, "a C++ `if` on a Tensor does not compile");
  CHECK(v.value().item<float>() == 1);  // readable again

  Tensor leaked;
  auto leaks = function([&](const Tensor& x) { return leaked = x + 1.0; });
  leaks(one);
  CHECK(message([&] { (void)leaked.item<float>(); }).find("this tensor has no value") != std::string::npos);
  auto given = function([](const Tensor& x) { return x; }, {.signature = {TensorSpec({unknown, 5}, DType::f32)}});
  CHECK(message([&] { given(ones({5})); }) == "function: argument 0 is f32[5], its signature says f32[?, 5].");
  CHECK(message([&] {
          given(ones({2, 5}, DType::f64));
        }) == "function: argument 0 is f64[2, 5], its signature says f32[?, 5].");
}

TEST_CASE("get_concrete traces without a call") {
  int traces = 0;
  Variable w(ones({5}), "w");
  auto f = function([&](const Tensor& x, const Tensor& y) { return ++traces, std::pair(x * w.value() + y, sum(y)); });
  auto any = f.get_concrete({TensorSpec({unknown, 5}), TensorSpec({unknown, 1})});
  CHECK(traces == 1);
  for (int n : {2, 3, 7}) {
    auto [z, s] = any(full({n, 5}, 2.0f), ones({n, 1}));
    CHECK(array_equal(z, full({n, 5}, 3.0f)));
    CHECK(s.item<float>() == float(n));
  }
  f(ones({9, 5}), ones({9, 1}));  // calls use it
  CHECK(traces == 1);
  CHECK(f.get_concrete({TensorSpec({unknown, 5}), TensorSpec({unknown, 1})}).signature() == any.signature());
  CHECK(traces == 1);
  CHECK(any.signature() == std::vector{TensorSpec({unknown, 5}), TensorSpec({unknown, 1})});
  CHECK(any.call({ones({2, 5}), ones({2, 1})}).size() == 2);
  w.assign(zeros({5}));
  CHECK(array_equal(any(ones({2, 5}), ones({2, 1})).first, ones({2, 5})));
  std::string text = any.graph();
  for (std::string line : {"inputs: %0 f32[?, 5] %1 f32[?, 1] %3 f32[5]\n", "%4 f32[?, 5] = multiply(%0, %3)",
                           "%5 f32[?, 5] = add(%4, %1)"})
    CHECK_MESSAGE(text.find(line) != std::string::npos, text);

  CHECK(message([&] {
          any(ones({2, 4}), ones({2, 1}));
        }) == "function: argument 0 is f32[2, 4], its signature says f32[?, 5].");
  CHECK(message([&] { any(ones({2, 5})); }) == "function: its signature has 2 tensors, the call 1.");
  CHECK(message([&] {
          any(ones({2, 5}), ones({3, 1}));
        }) == "function: sizes that are one unknown size in its trace differ, in (f32[2, 5], f32[3, 1]).");
  CHECK(message([&] {
          f.get_concrete({TensorSpec({2, 5})});
        }) == "get_concrete: function takes 2 tensors, 1 specs are given.");
}

TEST_CASE("get_concrete: several sizes, other arguments, tapes, traces, files") {
  auto product = function([](const Tensor& x, const Tensor& y) { return matmul(x, y); });
  auto two = product.get_concrete({TensorSpec({unknown, 7}), TensorSpec({7, unknown})});
  CHECK(two.graph().find("f32[?0, ?1] = matmul") != std::string::npos);
  CHECK(two(ones({2, 7}), ones({7, 3})).shape() == Shape{2, 3});
  auto square = product.get_concrete({TensorSpec({unknown, unknown}), TensorSpec({unknown, 4})});
  CHECK(square(ones({3, 3}), ones({3, 4})).shape() == Shape{3, 4});

  auto mixed = function([](const std::vector<Tensor>& xs, double scale) { return xs[0] * scale + xs[1]; });
  auto c = mixed.get_concrete(std::vector{Tensor(ones({3})), Tensor(ones({3}))}, 2.0);
  CHECK(array_equal(c(ones({3}), ones({3})), full({3}, 3.0f)));

  auto square_sum = function([](const Tensor& x) { return sum(x * x); });
  auto s = square_sum.get_concrete(TensorSpec({unknown}, DType::f64));
  Tensor x = tensor({1.0, 2.0}, DType::f64);
  GradientTape tape;
  tape.watch(x);
  CHECK(tape.gradient(s(x), x).to_vector<double>() == std::vector<double>{2, 4});
  auto outer = function([&](const Tensor& t) { return s(t) + 1.0; });
  CHECK(outer(x).item<double>() == 6);
  s.save("concrete_test.tapir");
  CHECK(load_function("concrete_test.tapir")({ones({4}, DType::f64)})[0].item<double>() == 4);
  save_functions("concrete_test.tapir", {{"a", s}, {"b", square_sum}});
  CHECK(load_functions("concrete_test.tapir").size() == 2);
  std::remove("concrete_test.tapir");
}

TEST_CASE("run_functions_eagerly") {
  int runs = 0;
  auto f = function([&](const Tensor& x) { return ++runs, x; });
  run_functions_eagerly(true);
  f(ones({2})), f(ones({2}));
  CHECK(runs == 2);
  run_functions_eagerly(false);
  f(ones({2})), f(ones({2}));
  CHECK(runs == 3);
}

TEST_CASE("functions call functions; results that are arguments, constants or views") {
  auto inner = function([](const Tensor& x) { return exp(x) + 1.0; });
  auto outer = function([&](const Tensor& x) { return inner(x) * inner(x + 1.0); });
  Tensor x = random::normal({5}, {.seed = 1});
  CHECK(allclose(outer(x), (exp(x) + 1.0) * (exp(x + 1.0) + 1.0)));
  CHECK(inner.trace_count() == 0);  // it became part of the outer trace
  Tensor c = ones({3});
  auto passes = function([&](const Tensor& t) {
    return std::tuple(t, c, reshape(t * 2.0, {5, 1}), permute_dims(stack({t, t}), {1, 0}));
  });
  for (int i = 0; i < 2; ++i) {
    auto [same, constant, shaped, turned] = passes(x);
    CHECK(allclose(same, x));
    CHECK(allclose(constant, c));
    CHECK(allclose(shaped, reshape(x * 2.0, {5, 1})));
    CHECK(allclose(turned, permute_dims(stack({x, x}), {1, 0})));
  }
}

TEST_CASE("results live on when the function runs again or is gone") {
  Tensor first, second;
  {
    auto f = function([](const Tensor& x) { return exp(x + 1.0); });
    first = f(zeros({1000}));
    second = f(ones({1000}));
  }
  CHECK(first[0].item<float>() == doctest::Approx(std::exp(1.0)));
  CHECK(second[999].item<float>() == doctest::Approx(std::exp(2.0)));
  Tensor x = ones({3});
  GradientTape tape;
  tape.watch(x);
  Tensor y;
  {
    auto f = function([](const Tensor& t) { return sum(exp(t) * t); });
    y = f(x);
  }
  CHECK(tape.gradient(y, x)[0].item<float>() == doctest::Approx(2 * std::exp(1.0)));
}

TEST_CASE("many threads call one function, and trace at once") {
  auto f = function([](const Tensor& x) { return sum(exp(x) * x, {.axis = 1}); });
  std::vector<std::thread> threads;
  std::vector<int> good(4, 0);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        Tensor x = random::normal({3 + i % 2, 4 + t}, {.seed = 100 * t + i});
        good[std::size_t(t)] += allclose(f(x), sum(exp(x) * x, {.axis = 1}));
      }
    });
  for (auto& t : threads) t.join();
  for (int g : good) CHECK(g == 50);
}

TEST_CASE("a training step in one graph") {
  auto losses = [](bool traced) {
    nn::Sequential model{nn::Dense(16, {.activation = "tanh", .seed = 1}), nn::Dropout(0.0), nn::Dense(3, {.seed = 2})};
    model.build({8});
    optim::SGD sgd({.learning_rate = 0.1, .momentum = 0.9});
    Tensor x = random::normal({32, 8}, {.seed = 3}), y = random::integers({32}, 0, 3, {.seed = 4});
    auto step = [&](const Tensor& images, const Tensor& classes) {
      GradientTape tape;
      Tensor loss =
          nn::sparse_categorical_crossentropy(classes, model(images, {.training = true}), {.from_logits = true});
      sgd.apply_gradients(tape.gradient(loss, model.trainable_variables()), model.trainable_variables());
      return loss;
    };
    auto graph = function(step);
    std::vector<float> out;
    for (int i = 0; i < 20; ++i) out.push_back((traced ? graph(x, y) : step(x, y)).item<float>());
    return out;
  };
  auto eager = losses(false), traced = losses(true);
  for (std::size_t i = 0; i < eager.size(); ++i) CHECK(traced[i] == doctest::Approx(eager[i]).epsilon(1e-5));
  CHECK(traced.back() < 0.7f * traced.front());
}

TEST_CASE("recompute saves memory in one graph") {
  const std::vector<Variable> w = [] {
    std::vector<Variable> all;
    for (int i = 0; i < 8; ++i) all.emplace_back(random::normal({32, 32}, {.stddev = 0.1, .seed = i}), "w");
    return all;
  }();
  auto net = [&](const Tensor& x, bool again) {
    Tensor y = x;
    for (int i = 0; i < 8; i += 2) {
      auto block = [&w, i](const Tensor& t) {
        return tanh(matmul(tanh(matmul(t, w[std::size_t(i)].value())), w[std::size_t(i + 1)].value())) + t;
      };
      y = again ? recompute(block)(y) : block(y);
    }
    return sum(y * y);
  };
  auto arena = [&](bool again, List& gradients) {
    auto step = function([&](const Tensor& x) {
      GradientTape tape;
      return tape.gradient(net(x, again), w);
    });
    Tensor x = random::normal({512, 32}, {.seed = 3});
    gradients = step(x);
    return step.core().concretes()[0]->executables()[0]->arena_bytes();
  };
  List kept, recomputed;
  const auto all = arena(false, kept), some = arena(true, recomputed);
  for (std::size_t i = 0; i < kept.size(); ++i) CHECK(allclose(recomputed[i], kept[i], {.rtol = 1e-4, .atol = 1e-4}));
  // Of 8 activations of 64 KB (each tanh, and each sum) the 4 between the blocks stay, and those of one block come and
  // go.
  CHECK_MESSAGE(some * 10 < all * 8, some, " of ", all);
}

TEST_CASE("custom_gradient and recompute keep their meaning, differentiated inside and around") {
  Variable w(constant(0.5, DType::f64), "w");
  auto hundredfold = custom_gradient([](const Tensor& t, const Tensor& u) {
    return std::pair(t * t * u, [t](const Tensor& dy) { return std::array{dy * 100.0 * t, Tensor()}; });
  });
  auto light = recompute([&](const Tensor& t) { return tanh(t * w.value()) * t; });
  // Value, gradients, second derivatives; the body is called by g.
  auto all = [&](auto g, const Tensor& x) {
    GradientTape outer;
    outer.watch(x);
    Tensor y;
    List first;
    {
      GradientTape tape;
      tape.watch(x);
      y = g(x);
      first = tape.gradient(sum(y), std::vector<GradientSource>{x, w}, {.unconnected = UnconnectedGradients::zero});
    }
    Tensor second = outer.gradient(sum(first[0]), x);
    return List{y, first[0], first[1], second};
  };
  auto body = [&](const Tensor& x) { return hundredfold(x, x + 1.0) + light(x * 2.0) * double(x.shape(0)); };
  auto looped = [&](const Tensor& x) {
    return for_loop(
        0, 10, [&](const Tensor&, const Tensor& t) { return light(t) + hundredfold(x, t) * 0.01; }, x);
  };
  auto compare = [](const List& a, const List& b) {
    for (std::size_t i = 0; i < a.size(); ++i) CHECK_MESSAGE(allclose(a[i], b[i], {.rtol = 1e-12, .atol = 1e-12}), i);
  };
  const TensorSpec open({unknown}, DType::f64);
  auto check = [&](auto f) {
    auto around = function(f, {.signature = {open}});
    auto inside = function([&](const Tensor& x) { return all(f, x); }, {.signature = {open}});
    for (int n : {1, 3}) {
      Tensor x = random::normal({n}, {.dtype = DType::f64, .seed = n});
      const List expected = all(f, x);
      CHECK(expected[1][0].item<double>() != expected[3][0].item<double>());
      compare(all(around, x), expected);
      compare(inside(x), expected);
    }
    CHECK(inside.trace_count() == 1);
    around.save("custom_gradient_test.tapir");
    auto loaded = load_function("custom_gradient_test.tapir");
    Tensor x = random::normal({2}, {.dtype = DType::f64, .seed = 9});
    GradientTape tape;
    tape.watch(x);
    CHECK(allclose(tape.gradient(sum(loaded({x})[0]), x), all(f, x)[1], {.rtol = 1e-12}));
    std::remove("custom_gradient_test.tapir");
  };
  check(body);
  check(looped);
  // It costs nothing where nobody differentiates.
  auto plain = function(body);
  plain(ones({3}, DType::f64));
  CHECK(plain.graphs()[0].find("custom_gradient") == std::string::npos);

  Tensor x = ones({2}, DType::f64);
  auto assigns = function(custom_gradient([&](const Tensor& t) {
    return std::pair(t * 1.0, [&](const Tensor& dy) { return w.assign(constant(1.0, DType::f64)), dy; });
  }));
  CHECK(message([&] { assigns(x); }) == "custom_gradient: the gradient function assigns variable 'w'. Assign outside.");
}

TEST_CASE("traced tensors that were kept are refused afterwards") {
  Tensor kept;
  auto f = function([&](const Tensor& x) { return kept = x * 2.0; });
  f(ones({2}));
  const std::string rest =
      " has no value, it is from a trace of function() that is over. Return it from the function "
      "that made it, or keep it in a Variable.";
  CHECK(message([&] { kept + 1.0; }) == "add: operand 0" + rest);
  CHECK(message([&] { reshape(kept, {2, 1}); }) == "reshape: operand 0" + rest);
  CHECK(message([&] { split(kept, 2, {.axis = 0}); }).find(rest) != std::string::npos);
  auto g = function([&](const Tensor& x) { return x + kept; });
  CHECK(message([&] { g(ones({2})); }) ==
        "function: a tensor f32 [2] from another trace is used here. Return it from "
        "the function that made it, or keep it in a Variable.");
}

TEST_CASE("a C++ loop over an unknown size is traced for each size") {
  auto f = function([](const Tensor& x) {
    Tensor s = zeros({});
    for (std::int64_t i = 0; i < x.shape(0); ++i) s = s + x[i] * double(i);
    return s;
  });
  for (int n : {2, 3, 4, 5}) CHECK(f(ones({n})).item<float>() == float(n * (n - 1) / 2));
  CHECK(f.trace_count() == 4);
  CHECK(f.explain().find("the body does not take unknown sizes (function_test.cpp:") != std::string::npos);
  CHECK(f.explain().find("function: more than 100000 operations while a size is unknown. For a C++ loop over it use "
                         "for_loop or scan, or give the size.") != std::string::npos);
}

TEST_CASE("a traced step writes over the values of variables that nobody else holds") {
  Variable v(zeros({1000}), "v"), w(ones({1000}), "w");
  auto at = [](const Variable& x) { return x.value().data<float>(); };
  auto add = function([&](const Tensor& x) { v.assign_add(x); });
  const Tensor one = ones({1000});
  add(one);
  const float* place = at(v);
  const auto version = v.version();
  add(one);
  CHECK(at(v) == place);
  CHECK(v.version() == version + 1);
  CHECK(array_equal(v.value(), full({1000}, 2.0f)));

  SUBCASE("a value that was read stays as it was, whole or in part") {
    const Tensor whole = v.value(), part = v.value()(Slice(10, 20));
    add(one);
    CHECK(at(v) != place);
    CHECK(array_equal(whole, full({1000}, 2.0f)));
    CHECK(array_equal(part, full({10}, 2.0f)));
    CHECK(array_equal(v.value(), full({1000}, 3.0f)));
    add(v.value());  // the argument is the value
    CHECK(array_equal(v.value(), full({1000}, 6.0f)));
  }
  SUBCASE("a result that is the old or the new value is not written over later") {
    auto both = function([&](const Tensor& x) {
      Tensor before = v.value();
      v.assign_add(x);
      return List{before, v.value()};
    });
    const List first = both(one), second = both(one);
    CHECK(array_equal(first[0], full({1000}, 2.0f)));
    CHECK(array_equal(first[1], full({1000}, 3.0f)));
    CHECK(array_equal(second[0], full({1000}, 3.0f)));
    CHECK(array_equal(second[1], full({1000}, 4.0f)));
  }
  SUBCASE("a value that is read after the assignment to it") {
    auto f = function([&](const Tensor& x) {
      Tensor before = v.value() * 1.0f;
      v.assign(flip(v.value()) + x);
      return sum(before * v.value());
    });
    v.assign(arange(1000).astype(DType::f32));
    const double wanted = [&] {
      double s = 0;
      for (int i = 0; i < 1000; ++i) s += double(i) * (1000 - i);
      return s;
    }();
    CHECK(f(one).item<double>() == doctest::Approx(wanted));
    CHECK(v.value()[0].item<float>() == 1000);
    CHECK(v.value()[-1].item<float>() == 1);
  }
  SUBCASE("two variables change places") {
    auto swap = function([&] {
      Tensor a = v.value(), b = w.value();
      v.assign(b + 0.0f), w.assign(a + 0.0f);
    });
    for (int i = 0; i < 3; ++i) swap();
    CHECK(array_equal(v.value(), ones({1000})));
    CHECK(array_equal(w.value(), full({1000}, 2.0f)));
  }
  SUBCASE("memory of the user's is not written over") {
    std::vector<float> mine(1000, 5.0f);
    v.assign(Tensor::from_external(mine.data(), {1000}, DType::f32, nullptr, nullptr));
    add(one);
    CHECK(mine[0] == 5);
    CHECK(array_equal(v.value(), full({1000}, 6.0f)));
  }
  SUBCASE("a check that fails afterwards leaves everything as it was") {
    auto guarded = function([&](const Tensor& x) {
      v.assign_add(x);
      check(all(v.value() < 10.0f), "small");
    });
    guarded(one);
    CHECK_THROWS_AS(guarded(full({1000}, 100.0f)), UsageError);
    CHECK(array_equal(v.value(), full({1000}, 3.0f)));
  }
  SUBCASE("an optimizer and its state") {
    for (DType dtype : {DType::f32, DType::bf16}) {
      Variable a(ones({300}).astype(dtype), "a"), b(ones({300}).astype(dtype), "b");
      optim::Adam traced_adam({.learning_rate = 0.01}), eager_adam({.learning_rate = 0.01});
      auto step = function([&](const Tensor& g) { traced_adam.apply_gradients(List{g}, {a}); });
      for (int i = 0; i < 5; ++i) {
        const Tensor g = random::normal({300}, {.dtype = dtype, .seed = i});
        step(g);
        eager_adam.apply_gradients(List{g}, {b});
      }
      CHECK(allclose(a.value(), b.value(), {.rtol = 1e-6}));
      for (std::size_t k = 0; k < traced_adam.variables().size(); ++k)
        CHECK(allclose(traced_adam.variables()[k].value(), eager_adam.variables()[k].value(), {.rtol = 1e-6}));
    }
  }
}
