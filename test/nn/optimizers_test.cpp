// Optimizers beside real Keras: every case of test/golden/optimizers.json, ten steps each; state, rates, clipping.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::distance;
using nlohmann::json;

namespace {

// What all optimizers have in common is read by `common`; the rest by `make`.
struct CaseAttrs {
  json left;
  double take(const char* key, double fallback) {
    if (!left.contains(key)) return fallback;
    const double v = left[key].is_boolean() ? double(left[key].get<bool>()) : left[key].get<double>();
    left.erase(key);
    return v;
  }
  template <class Options>
  Options common(Options o) {
    o.learning_rate = take("learning_rate", o.learning_rate.initial());
    o.weight_decay = take("weight_decay", o.weight_decay);
    o.clipnorm = take("clipnorm", o.clipnorm);
    o.clipvalue = take("clipvalue", o.clipvalue);
    o.global_clipnorm = take("global_clipnorm", o.global_clipnorm);
    if constexpr (requires { o.epsilon; }) o.epsilon = take("epsilon", o.epsilon);
    if constexpr (requires { o.momentum; }) o.momentum = take("momentum", o.momentum);
    if constexpr (requires { o.beta_1; }) {
      o.beta_1 = take("beta_1", o.beta_1), o.beta_2 = take("beta_2", o.beta_2);
      o.amsgrad = take("amsgrad", o.amsgrad) != 0;
    }
    return o;
  }
};

optim::Optimizer make(const std::string& op, CaseAttrs& a) {
  if (op == "SGD") {
    auto o = a.common(optim::SGDOptions());
    o.nesterov = a.take("nesterov", 0) != 0;
    return optim::SGD(o);
  }
  if (op == "Adam") return optim::Adam(a.common(optim::AdamOptions()));
  if (op == "AdamW") return optim::AdamW(a.common(optim::AdamWOptions()));
  if (op == "RMSprop") {
    auto o = a.common(optim::RMSpropOptions());
    o.rho = a.take("rho", o.rho);
    o.centered = a.take("centered", 0) != 0;
    return optim::RMSprop(o);
  }
  REQUIRE_MESSAGE(op == "Adagrad", "no optimizer " << op);
  auto o = a.common(optim::AdagradOptions());
  o.initial_accumulator_value = a.take("initial_accumulator_value", o.initial_accumulator_value);
  return optim::Adagrad(o);
}

// Keras takes 1 - beta_2^step in f32, which leaves it 2e-6 from the true values; ours are within 3e-7 (second test).
constexpr double kOfKeras = 4e-6;

const golden::Family& family() {
  static const golden::Family f("optimizers");
  return f;
}

// Ten steps of a case, in this dtype: what the two variables are after each.
std::vector<std::vector<Tensor>> run(const json& c, optim::Optimizer optimizer, DType dtype) {
  auto get = [&](const std::string& field) { return family().get(c["name"], field).astype(dtype); };
  std::vector<Variable> variables{Variable(get("start_0"), "a"), Variable(get("start_1"), "b")};
  const Tensor g0 = get("grads_0"), g1 = get("grads_1");
  std::vector<std::vector<Tensor>> after;
  for (int step = 0; step < 10; ++step) {
    optimizer.apply_gradients({g0[step], g1[step]}, variables);
    after.push_back({variables[0].value(), variables[1].value()});
  }
  CHECK(optimizer.iterations().value().item<std::int64_t>() == 10);
  return after;
}

std::vector<std::string> names(const std::vector<Variable>& variables) {
  std::vector<std::string> out;
  for (auto& v : variables) out.push_back(v.name());
  return out;
}

// Where one step of gradient g takes a variable that starts at 1.
float after_step(optim::Optimizer o, float g, DType dtype = DType::f32) {
  Variable v(ones({}, dtype), "v");
  o.apply_gradients({full({}, g).astype(dtype)}, {v});
  return v.value().astype(DType::f32).item<float>();
}

}  // namespace

TEST_CASE("ten steps are those of Keras") {
  for (auto& c : family().cases) {
    INFO(c["name"]);
    CaseAttrs attrs{c["attrs"]};
    const optim::Optimizer optimizer = make(c["op"], attrs);
    CHECK_MESSAGE(attrs.left.empty(), "not used: " << attrs.left.dump());
    const auto after = run(c, optimizer, DType::f32);
    for (int i = 0; i < 2; ++i) {
      const Tensor expected = family().get(c["name"], "after_" + std::to_string(i));
      for (int step = 0; step < 10; ++step) {
        INFO("variable " << i << ", step " << step);
        CHECK(distance(after[std::size_t(step)][std::size_t(i)], expected[step]) < kOfKeras);
      }
    }
  }
}

TEST_CASE("f64 variables keep f64 state; f16 and bf16 follow as well as their digits allow") {
  for (auto& c : family().cases) {
    INFO(c["name"]);
    auto last = [&](DType dtype) {
      CaseAttrs attrs{c["attrs"]};
      return run(c, make(c["op"], attrs), dtype).back();
    };
    const auto f64 = last(DType::f64), f32 = last(DType::f32), f16 = last(DType::f16), bf16 = last(DType::bf16);
    for (std::size_t i = 0; i < 2; ++i) {
      const Tensor expected = family().get(c["name"], "after_" + std::to_string(i))[9];
      CHECK(f64[i].dtype() == DType::f64);
      CHECK(distance(f64[i], expected) < kOfKeras);
      CHECK(distance(f32[i], f64[i]) < 5e-7);
      CHECK(f16[i].dtype() == DType::f16);
      CHECK(distance(f16[i], expected) < 3e-3);   // ten roundings to 11 bits, of the state too
      CHECK(distance(bf16[i], expected) < 3e-2);  // 8 bits
    }
  }
}

TEST_CASE("the defaults and names are Keras's") {
  const json& cases = family().cases;
  for (const char* name : {"sgd", "adam", "adamw", "rmsprop", "adagrad"}) {  // these cases have default options
    INFO(name);
    const json& c = *std::find_if(cases.begin(), cases.end(), [&](auto& x) { return x["name"] == name; });
    const auto by_name = run(c, name, DType::f32).back();
    const std::string op = c["op"];
    const optim::Optimizer by_class = op == "SGD"       ? optim::Optimizer(optim::SGD())
                                      : op == "Adam"    ? optim::Optimizer(optim::Adam())
                                      : op == "AdamW"   ? optim::Optimizer(optim::AdamW())
                                      : op == "RMSprop" ? optim::Optimizer(optim::RMSprop())
                                                        : optim::Optimizer(optim::Adagrad());
    const auto made = run(c, by_class, DType::f32).back();
    for (std::size_t i = 0; i < 2; ++i) {
      CHECK(distance(by_name[i], family().get(name, "after_" + std::to_string(i))[9]) < kOfKeras);
      CHECK(distance(by_name[i], made[i]) == 0);
    }
    CHECK(optim::Optimizer(name).name() == (op == "SGD" ? "SGD" : name));
    CHECK(by_class.learning_rate() == doctest::Approx(c["attrs"]["learning_rate"].get<double>()));
  }
}

TEST_CASE("state is Variables, made at the first step, named by the variable") {
  Variable kernel(ones({2, 3}), "dense/kernel"), other(ones({3}, DType::f64), "bias");
  auto state = [&](optim::Optimizer o) {
    CHECK(o.variables().size() == 2);
    o.apply_gradients({ones({2, 3}), ones({3}, DType::f64)}, {kernel, other});
    auto all = o.variables();
    for (auto& v : all) CHECK(!v.trainable());
    for (std::size_t i = 2; i < all.size(); ++i) {
      const Variable& of = i - 2 < (all.size() - 2) / 2 ? kernel : other;
      CHECK(all[i].shape() == of.shape());
      CHECK(all[i].dtype() == of.dtype());
    }
    all.erase(all.begin() + 2 + std::ptrdiff_t(all.size() - 2) / 2, all.end());  // those of the kernel
    return names(all);
  };
  using Names = std::vector<std::string>;
  CHECK(state(optim::SGD()) == Names{"SGD/iterations", "SGD/learning_rate"});
  CHECK(state(optim::SGD({.momentum = 0.9})) ==
        Names{"SGD/iterations", "SGD/learning_rate", "SGD/dense_kernel_momentum"});
  CHECK(state(optim::Adam()) ==
        Names{"adam/iterations", "adam/learning_rate", "adam/dense_kernel_momentum", "adam/dense_kernel_velocity"});
  CHECK(state(optim::AdamW({.amsgrad = true, .name = "w"})) ==
        Names{"w/iterations", "w/learning_rate", "w/dense_kernel_momentum", "w/dense_kernel_velocity",
              "w/dense_kernel_velocity_hat"});
  CHECK(state(optim::RMSprop({.momentum = 0.1, .centered = true})) ==
        Names{"rmsprop/iterations", "rmsprop/learning_rate", "rmsprop/dense_kernel_velocity",
              "rmsprop/dense_kernel_average_gradient", "rmsprop/dense_kernel_momentum"});
  CHECK(state(optim::Adagrad()) ==
        Names{"adagrad/iterations", "adagrad/learning_rate", "adagrad/dense_kernel_accumulator"});
}

TEST_CASE("the next step follows a new learning rate; copies are the same optimizer") {
  optim::SGD sgd({.learning_rate = 0.5});
  optim::Optimizer copy = sgd;
  Variable v(full({}, 10.0f), "v");
  copy.apply_gradients({ones({})}, {v});
  CHECK(v.value().item<float>() == 9.5f);
  sgd.set_learning_rate(2);
  CHECK(copy.learning_rate() == 2);
  copy.apply_gradients({ones({})}, {v});
  CHECK(v.value().item<float>() == 7.5f);
  sgd.set_learning_rate(0);
  sgd.apply_gradients({ones({})}, {v});
  CHECK(v.value().item<float>() == 7.5f);
  CHECK(copy.iterations().value().item<std::int64_t>() == 3);
  optim::Adam adam;
  copy = adam;  // another one now
  CHECK(copy.name() == "adam");
  CHECK(sgd.name() == "SGD");
}

TEST_CASE("a traced step does what an eager one does, makes its state and follows the learning rate") {
  for (auto& c : family().cases) {
    INFO(c["name"]);
    CaseAttrs a{c["attrs"]}, b{c["attrs"]};
    optim::Optimizer eager = make(c["op"], a), traced = make(c["op"], b);
    const Tensor start = family().get(c["name"], "start_0"), g = family().get(c["name"], "grads_0");
    Variable v(start, "v"), w(start, "w");
    auto step = function([&](const Tensor& gradient) {
      traced.apply_gradients({gradient}, {w});
      return w.value();
    });
    for (int i = 0; i < 4; ++i) {
      if (i == 2) eager.set_learning_rate(0.3), traced.set_learning_rate(0.3);
      eager.apply_gradients({g[i]}, {v});
      CHECK(distance(step(g[i]), v.value()) < 1e-6);
    }
    CHECK(step.trace_count() == 1);
    auto p = eager.variables(), q = traced.variables();
    REQUIRE(p.size() == q.size());
    for (std::size_t i = 0; i < p.size(); ++i) CHECK(distance(p[i].value(), q[i].value()) < 1e-6);
  }
}

TEST_CASE("all parameters step at once as each alone; one that comes twice steps twice") {
  // Sizes on both sides of what one thread takes; two dtypes, so two ops.
  const std::vector<Shape> shapes{{3}, {1 << 15, 3}, {}, {5, 7}, {0}, {70'001}, {2, 2}};
  auto dtype_of = [](std::size_t i) { return i < 5 ? DType::f32 : DType::f64; };
  for (const char* name : {"adam", "sgd", "rmsprop", "adagrad"}) {
    INFO(name);
    optim::Optimizer together(name), alone(name);
    std::vector<Variable> a, b;
    std::vector<Tensor> g;
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      const Tensor start = random::normal(shapes[i], {.dtype = dtype_of(i), .seed = std::int64_t(i)});
      a.emplace_back(start, "a"), b.emplace_back(start, "b");
      g.push_back(random::normal(shapes[i], {.dtype = dtype_of(i), .seed = 100 + std::int64_t(i)}));
    }
    auto traced = function([&](const std::vector<Tensor>& g) {
      together.apply_gradients(g, a);
      return a[0].value();
    });
    for (int step = 0; step < 3; ++step) {
      if (step < 2) together.apply_gradients(g, a);
      else traced(g);
    }
    for (std::size_t i = 0; i < a.size(); ++i) {
      alone.reset();
      for (int step = 0; step < 3; ++step) alone.apply_gradients({g[i]}, {b[i]});
      CHECK(distance(a[i].value(), b[i].value()) == 0);
    }
  }
  Variable v(ones({3}), "v"), w(ones({2}), "w");
  optim::SGD sgd({.learning_rate = 0.25, .momentum = 0.5});
  sgd.apply_gradients({ones({3}), ones({2}), ones({3})}, {v, w, v});
  CHECK(distance(v.value(), full({3}, 1 - 0.25f - 0.375f)) == 0);
  CHECK(distance(w.value(), full({2}, 0.75f)) == 0);
}

TEST_CASE("undefined gradients are passed over, their state too, and the steps count for all") {
  Variable a(ones({2}), "a"), b(ones({2}), "b");
  optim::Adam adam({.learning_rate = 0.1});
  adam.apply_gradients({ones({2}), Tensor()}, {a, b});
  CHECK(distance(b.value(), ones({2})) == 0);
  CHECK(adam.variables().size() == 4);
  adam.apply_gradients({Tensor(), ones({2})}, {a, b});
  CHECK(distance(a.value(), full({2}, 0.9f)) < 1e-6);
  CHECK(adam.variables().size() == 6);
  // Keras counts steps of the optimizer: b's first step is corrected for bias as the second.
  const double m = 0.1, v = 0.001, rate = 0.1 * std::sqrt(1 - 0.999 * 0.999) / (1 - 0.9 * 0.9);
  CHECK(b.value()[0].item<float>() == doctest::Approx(1 - rate * m / (std::sqrt(v) + 1e-7)).epsilon(1e-6));
  // a variable of another place in the list keeps its state
  adam.apply_gradients({ones({2}), ones({2})}, {b, a});
  CHECK(adam.variables().size() == 6);
}

TEST_CASE("clipping: by value, by norm and by the norm of all; below the limit nothing changes") {
  Variable a(zeros({2}), "a"), b(zeros({1}, DType::f64), "b"), c(zeros({1}, DType::f16), "c");
  const std::vector<Tensor> g{tensor({3.0f, 4.0f}), full({1}, 12.0, DType::f64), full({1}, 84.0, DType::f16)};
  auto moved = [&](const optim::SGDOptions& o) {
    for (auto& v : {a, b, c}) Variable(v).assign(zeros(v.shape(), v.dtype()));
    optim::SGD(o).apply_gradients(g, {a, b, c});
    return -concat({a.value().astype(DType::f64), b.value(), c.value().astype(DType::f64)});
  };
  const Tensor all = tensor({3.0f, 4.0f, 12.0f, 84.0f}).astype(DType::f64);
  CHECK(distance(moved({.learning_rate = 1}), all) == 0);
  CHECK(distance(moved({.learning_rate = 1, .clipvalue = 3.5}), minimum(all, 3.5)) < 1e-3);
  CHECK(distance(moved({.learning_rate = 1, .clipnorm = 10}), tensor({3.0f, 4.0f, 10.0f, 10.0f})) < 1e-3);
  CHECK(distance(moved({.learning_rate = 1, .global_clipnorm = 8.5}), all / 10) < 1e-3);  // the norm of all is 85
  CHECK(distance(moved({.learning_rate = 1, .global_clipnorm = 86}), all) == 0);
}

TEST_CASE("a norm beyond what f16 holds is clipped, not made zero") {
  Variable v(zeros({2}, DType::f16), "v");
  optim::SGD({.learning_rate = 1, .clipnorm = 5})
      .apply_gradients({full({2}, 300.0, DType::f16)}, {v});  // 300^2 overflows
  CHECK(v.value()[0].item<float>() == doctest::Approx(-5 / std::sqrt(2)).epsilon(1e-3));
}

TEST_CASE("weight decay shrinks by rate times decay, before the step") {
  CHECK(after_step(optim::SGD({.learning_rate = 0.5, .weight_decay = 0.1}), 0) == doctest::Approx(1 - 0.5 * 0.1));
  CHECK(after_step(optim::SGD({.learning_rate = 0.5, .weight_decay = 0.1}), 1) == doctest::Approx(1 - 0.5 * 0.1 - 0.5));
  CHECK(after_step(optim::AdamW({.learning_rate = 0.5}), 0) == doctest::Approx(1 - 0.5 * 0.004));
  CHECK(after_step(optim::Adam({.learning_rate = 0.5}), 0) == 1);
  CHECK(after_step(optim::Adagrad({.learning_rate = 0.5, .weight_decay = 0.1}), 0) == doctest::Approx(0.95));
  CHECK(after_step(optim::RMSprop({.learning_rate = 0.5, .weight_decay = 0.1}), 0) == doctest::Approx(0.95));
}

TEST_CASE("scalars, empty variables and strided gradients") {
  Variable none(zeros({0, 3}), "none"), turned(zeros({2, 3}), "turned");
  optim::Adam adam({.learning_rate = 0.1, .clipnorm = 100});
  const Tensor g = random::normal({3, 2}, {.seed = 1});
  adam.apply_gradients({zeros({0, 3}), matrix_transpose(g)}, {none, turned});
  CHECK(none.shape() == Shape({0, 3}));
  CHECK(distance(turned.value(), -0.1 * sign(matrix_transpose(g))) < 1e-4);  // Adam's first step
  CHECK(after_step(optim::SGD({.learning_rate = 0.25}), 2) == 0.5f);
}
