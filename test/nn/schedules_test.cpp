// Learning-rate schedules beside real Keras (test/golden/schedules.json), as functions and within steps.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;
using golden::distance;
using nlohmann::json;
namespace schedules = optim::schedules;

namespace {

const golden::Family& family() {
  static const golden::Family f("schedules");
  return f;
}

schedules::Schedule made(const json& c) {
  const std::string op = c["op"];
  const json& a = c["attrs"];
  auto number = [&](int i) { return a["args"][std::size_t(i)].get<double>(); };
  auto option = [&](const char* key, double fallback) { return a.contains(key) ? a[key].get<double>() : fallback; };
  auto flag = [&](const char* key) { return a.contains(key) && a[key].get<bool>(); };
  const std::size_t args = a["args"].size();
  if (op == "ExponentialDecay")
    return schedules::ExponentialDecay(number(0), int(number(1)), number(2), {.staircase = flag("staircase")});
  if (op == "InverseTimeDecay")
    return schedules::InverseTimeDecay(number(0), int(number(1)), number(2), {.staircase = flag("staircase")});
  if (op == "PolynomialDecay")
    return schedules::PolynomialDecay(
        number(0), int(number(1)),
        {.end_learning_rate = option("end_learning_rate", 1e-4), .power = option("power", 1), .cycle = flag("cycle")});
  if (op == "PiecewiseConstantDecay")
    return schedules::PiecewiseConstantDecay(a["args"][0].get<std::vector<std::int64_t>>(),
                                             a["args"][1].get<std::vector<double>>());
  if (op == "CosineDecay") {
    schedules::CosineOptions o{.alpha = option("alpha", 0)};
    if (a.contains("warmup_target")) o.warmup_target = option("warmup_target", 0), o.warmup_steps = a["warmup_steps"];
    return schedules::CosineDecay(number(0), int(number(1)), o);
  }
  REQUIRE(op == "CosineDecayRestarts");
  CHECK(args == 2);
  return schedules::CosineDecayRestarts(
      number(0), int(number(1)),
      {.t_mul = option("t_mul", 2), .m_mul = option("m_mul", 1), .alpha = option("alpha", 0)});
}

}  // namespace

TEST_CASE("rates are those of Keras") {
  for (auto& c : family().cases) {
    INFO(c["name"]);
    const schedules::Schedule schedule = made(c);
    const auto steps = family().get(c["name"], "steps").to_vector<std::int64_t>();
    const auto rates = family().get(c["name"], "rates").to_vector<float>();
    auto traced = function([&](const Tensor& step) { return schedule(step); });
    for (std::size_t i = 0; i < steps.size(); ++i) {
      INFO("step " << steps[i]);
      CHECK(schedule.at(steps[i]) == doctest::Approx(rates[i]).epsilon(1e-5).scale(0.01));
      const Tensor step = full({}, steps[i], DType::i64);
      CHECK(schedule(step).dtype() == DType::f32);
      CHECK(distance(traced(step), schedule(step)) < 1e-7);
    }
    CHECK(traced.trace_count() == 1);
  }
}

TEST_CASE("a step takes the rate of the steps made before it, also a traced one, without a new trace") {
  const schedules::ExponentialDecay half(0.5, 1, 0.5);
  optim::SGD eager({.learning_rate = half}), traced({.learning_rate = half});
  Variable v(zeros({})), w(zeros({}));
  auto step = function([&](const Tensor& g) {
    traced.apply_gradients({g}, {w});
    return w.value();
  });
  float expected = 0, rate = 0.5;
  for (int i = 0; i < 4; ++i, rate /= 2) {
    CHECK(eager.learning_rate() == rate);
    expected -= rate;
    eager.apply_gradients({ones({})}, {v});
    CHECK(v.value().item<float>() == expected);
    CHECK(step(ones({})).item<float>() == expected);
  }
  CHECK(step.trace_count() == 1);
  CHECK(traced.learning_rate() == rate);
}

TEST_CASE("in fit the rate falls step by step") {
  const Tensor x = ones({8, 1}), y = zeros({8, 1});
  nn::Sequential model{nn::Dense(1, {.use_bias = false, .kernel_initializer = "ones"})};
  optim::SGD sgd({.learning_rate = schedules::PiecewiseConstantDecay({0, 2}, {0.25, 0.125, 0})});
  model.compile({.optimizer = sgd, .loss = "mse"});
  model.fit(x, y, {.epochs = 2, .batch_size = 2, .verbose = 0});
  // w -= rate * 2 w
  CHECK(model.variables()[0].value().item<float>() == doctest::Approx(0.5 * 0.75 * 0.75));
  CHECK(sgd.learning_rate() == 0);
}

TEST_CASE("a function is a schedule") {
  optim::Adam adam({.learning_rate = schedules::Schedule([](const Tensor& step) { return 1 / (step + 1); })});
  CHECK(adam.learning_rate() == 1);
  CHECK(schedules::Schedule([](const Tensor& step) { return sqrt(step); }, "root").at(9) == 3);
  CHECK(schedules::ExponentialDecay(0.1, 100, 0.5).text() == "ExponentialDecay(0.1, 100, 0.5, staircase=false)");
}

TEST_CASE("what is refused") {
  check_error<UsageError>([] { schedules::ExponentialDecay(0.1, 0, 0.5); },
                          "ExponentialDecay: decay_steps must be 1 or more, got 0.");
  check_error<UsageError>([] { schedules::CosineDecayRestarts(0.1, -2); },
                          "CosineDecayRestarts: first_decay_steps must be 1 or more, got -2.");
  check_error<UsageError>([] { schedules::CosineDecay(0.1, 10, {.warmup_target = 1, .warmup_steps = -1}); },
                          "CosineDecay: warmup_steps must be 0 or more, got -1.");
  check_error<UsageError>(
      [] {
        schedules::PiecewiseConstantDecay({1, 2}, {0.1, 0.2});
      },
      "PiecewiseConstantDecay: 2 boundaries need 3 values, got 2.");
  check_error<UsageError>(
      [] {
        schedules::PiecewiseConstantDecay({2, 2}, {0.1, 0.2, 0.3});
      },
      "PiecewiseConstantDecay: boundaries must ascend, got [2, 2].");
  check_error<ShapeError>([] { schedules::ExponentialDecay(0.1, 1, 0.5)(ones({2})); },
                          "ExponentialDecay(0.1, 1, 0.5, staircase=false): the step must be a scalar, got [2].");
  check_error<ShapeError>([] { schedules::Schedule([](const Tensor&) { return ones({2}); }).at(0); },
                          "custom: a schedule must give one number, got [2].");
  optim::SGD sgd({.learning_rate = schedules::ExponentialDecay(0.1, 1, 0.5)});
  check_error<UsageError>([&] { sgd.set_learning_rate(0.1); },
                          "set_learning_rate: the rate of 'SGD' follows a schedule, ExponentialDecay(0.1, 1, 0.5, "
                          "staircase=false).");
}
