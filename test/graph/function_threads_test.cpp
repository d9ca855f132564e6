// Functions and threads: one function called and traced by many at once, many functions traced at once, tapes of their
// own.
// `./dev tsan threads` runs this under ThreadSanitizer.
#include <doctest/doctest.h>
#include <tapir/tapir.h>

#include <atomic>
#include <cstdio>
#include <thread>

using namespace tapir;

namespace {

using List = std::vector<Tensor>;
constexpr int kThreads = 4;

// f(thread) on kThreads threads that start together; true if each gives true.
template <class F>
bool all_of(F f) {
  std::atomic<int> waiting{kThreads}, good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      try {
        good += f(t);
      } catch (const std::exception& e) {
        MESSAGE(e.what());
      }
    });
  for (auto& t : threads) t.join();
  return good == kThreads;
}

Tensor numbers(const Shape& s, int seed) { return random::normal(s, {.dtype = DType::f64, .seed = seed}); }
bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && allclose(a, b, {.rtol = 1e-12, .atol = 1e-12});
}

Tensor body(const Tensor& x) { return sum(exp(sin(x)) * x, {.axis = -1}) + 1.0; }
Tensor loops(const Tensor& x) {
  Tensor y = for_loop(
      0, 12, [&](const Tensor& i, const Tensor& s) { return tanh(s + x) * (i + 1).astype(DType::f64) * 0.1; }, x);
  return cond(
      sum(y) > 0.0, [&] { return y * x; }, [&] { return sin(y); });
}

template <class F>
Tensor gradient(F f, const Tensor& x) {
  GradientTape tape;
  tape.watch(x);
  return tape.gradient(sum(square(f(x))), x);
}

}  // namespace

TEST_CASE("one function, called and first traced by all at once") {
  for (int round = 0; round < 5; ++round) {
    auto f = function(body);
    CHECK(all_of([&](int t) {
      bool good = true;
      for (int i = 0; i < 10; ++i) {
        Tensor x = numbers({3, 5}, 10 * t + i);
        good &= same(f(x), body(x));
      }
      return good;
    }));
    CHECK(f.trace_count() == 1);
  }
}

TEST_CASE("one function, traced for other shapes by each; any batch size; what it says of itself meanwhile") {
  auto f = function(body, {.generalise = false});
  auto open = function(body, {.signature = {TensorSpec({unknown, 3}, DType::f64)}});
  CHECK(all_of([&](int t) {
    bool good = true;
    for (int i = 0; i < 6; ++i) {
      Tensor x = numbers({1 + (t + i) % 5, 3}, t + i);
      good &= same(f(x), body(x)) && same(open(x), body(x));
      good &= !f.explain().empty() && f.graphs().size() <= 5;
    }
    return good;
  }));
  CHECK(f.trace_count() == 5);
  CHECK(open.trace_count() == 1);
}

TEST_CASE("many functions traced at once, with control flow and functions in functions") {
  CHECK(all_of([&](int t) {
    bool good = true;
    for (int i = 0; i < 5; ++i) {
      auto inner = function(body);
      auto f = function([&](const Tensor& x) { return inner(loops(x)); });
      Tensor x = numbers({2, 3}, 10 * t + i);
      good &= same(f(x), body(loops(x)));
    }
    return good;
  }));
}

TEST_CASE("each thread with a tape of its own, around one function and inside") {
  auto f = function(loops);
  auto whole = function([](const Tensor& x) { return gradient(loops, x); });
  auto second =
      function([](const Tensor& x) { return gradient([](const Tensor& t) { return gradient(body, t); }, x); });
  CHECK(all_of([&](int t) {
    bool good = true;
    for (int i = 0; i < 5; ++i) {
      Tensor x = numbers({3}, 10 * t + i), expected = gradient(loops, x);
      good &= same(gradient(f, x), expected) && same(whole(x), expected);
      good &= same(second(x), gradient([](const Tensor& u) { return gradient(body, u); }, x));
    }
    return good;
  }));
}

TEST_CASE("variables are shared: read, assigned and trained") {
  Variable count(constant(0.0, DType::f64), "count"), weight(ones({3}, DType::f64), "weight");
  auto f = function([&](const Tensor& x) {
    count.assign_add(constant(1.0, DType::f64));
    return x * weight.value();
  });
  CHECK(all_of([&](int t) {
    bool good = true;
    for (int i = 0; i < 20; ++i) {
      Tensor x = numbers({3}, t);
      if (t == 0) weight.assign(ones({3}, DType::f64));
      good &= same(f(x), x);
      GradientTape tape;
      Tensor y = sum(f(x));
      good &= same(tape.gradient(y, weight), x);
    }
    return good;
  }));
  const double n = count.value().item<double>();  // calls that overlap read the same value
  CHECK(n >= 1);
  CHECK(n <= 40 * kThreads);
}

TEST_CASE("draws and prints of one function; layers; get_concrete; files") {
  nn::Sequential model{nn::Dense(4, {.activation = "relu", .seed = 1}), nn::Dropout(0.5), nn::Dense(2, {.seed = 2})};
  model.build({3});
  auto f = function([&](const Tensor& x) {
    check(isfinite(x), "finite");
    return model(x, {.training = true}) + random::uniform({2});
  });
  auto predict = function([&](const Tensor& x) { return model(x); });
  const Tensor x = random::normal({5, 3}, {.seed = 4}), expected = model(x);
  CHECK(all_of([&](int t) {
    bool good = true;
    for (int i = 0; i < 5; ++i) {
      good &= f(x).shape() == Shape{5, 2};
      auto c = predict.get_concrete({TensorSpec({unknown, 3})});
      good &= allclose(c(x), expected, {.rtol = 1e-5, .atol = 1e-6});
      const std::string path = "function_threads_" + std::to_string(t) + ".tapir";
      c.save(path);
      good &= allclose(load_function(path)({x})[0], expected, {.rtol = 1e-5, .atol = 1e-6});
      std::remove(path.c_str());
    }
    return good;
  }));
  CHECK(predict.trace_count() == 1);
}

TEST_CASE("readers see whole values of a variable that steps write over") {
  Variable v(zeros({50000}), "v"), w(zeros({50000}), "w");
  auto step = function([&] {
    v.assign_add(1.0f * ones({50000}));
    w.assign_add(v.value());
  });
  std::atomic<bool> over{false};
  CHECK(all_of([&](int t) {
    if (t == 0) {
      for (int i = 0; i < 200; ++i) step();
      over = true;
      return true;
    }
    bool good = true;
    while (!over) {
      const Tensor x = v.value(), y = w.value();
      good &= (min(x) == max(x)).item<bool>() && (min(y) == max(y)).item<bool>();
    }
    return good;
  }));
  CHECK(v.value()[0].item<float>() == 200);
}
