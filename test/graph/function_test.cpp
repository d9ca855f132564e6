// function(): when it traces, what it captures, what it refuses.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <cmath>
#include <map>
#include <sstream>
#include <thread>

using namespace tapir;

namespace {

template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const Error& e) {
    std::string s = e.what();
    return s.substr(s.find(' ') + 1);  // without file and line
  }
  return "nothing thrown";
}

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
  template <class V> void visit(V&& v) { v(h), v(c); }
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

TEST_CASE("sizes in C++ numbers are followed") {
  auto f = function([](const Tensor& x) {
    const double n = double(x.shape(0));
    return sum(x, {.axis = 0}) * (1.0 / n) + std::sqrt(n) + zeros({x.shape(0) - 1, 2})[0] + sum(broadcast_to(constant(2.0, DType::f64), {x.shape(0), 2}), {.axis = 0});
  }, {.signature = {TensorSpec({unknown, 2}, DType::f64)}});
  for (int n : {4, 9, 25}) {
    Tensor y = f(ones({n, 2}, DType::f64));
    CHECK(y.to_vector<double>()[0] == doctest::Approx(1 + std::sqrt(double(n)) + 2.0 * n));
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
  Tensor one = constant(1.0f);
  auto reads = function([](const Tensor& x) { return x.item<float>() > 0 ? x : -x; });
  CHECK(message([&] { reads(one); }) ==
        "item: this tensor has no value yet, it is being traced by function(). Use cond() or while_loop() instead of a C++ `if`, "
        "and print() to look at it.");
  auto prints = function([](const Tensor& x) {
    std::ostringstream out;
    out << x;
    return x;
  });
  CHECK(message([&] { prints(one); }).find("this tensor has no value yet") != std::string::npos);
  auto makes = function([](const Tensor& x) { return Variable(x, "v").value(); });
  CHECK(message([&] { makes(one); }) == "Variable: 'v' is made from a traced value. Make variables outside function().");
  Tensor leaked;
  auto leaks = function([&](const Tensor& x) { return leaked = x + 1.0; });
  leaks(one);
  CHECK(message([&] { (void)leaked.item<float>(); }).find("this tensor has no value") != std::string::npos);
  auto given = function([](const Tensor& x) { return x; }, {.signature = {TensorSpec({unknown, 5}, DType::f32)}});
  CHECK(message([&] { given(ones({5})); }) == "function: argument 0 is f32[5], its signature says f32[?, 5].");
  CHECK(message([&] { given(ones({2, 5}, DType::f64)); }) == "function: argument 0 is f64[2, 5], its signature says f32[?, 5].");
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
  auto passes = function([&](const Tensor& t) { return std::tuple(t, c, reshape(t * 2.0, {5, 1}), permute_dims(stack({t, t}), {1, 0})); });
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
      Tensor loss = nn::sparse_categorical_crossentropy(classes, model(images, {.training = true}), {.from_logits = true});
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
