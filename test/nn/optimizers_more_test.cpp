// The optimizers that are made of ops, moving averages and schedules, beside real Keras: optimizers_more.json.
#include <tapir/test/ops/golden.h>

using namespace tapir;
using golden::check_error;
using golden::distance;
using nlohmann::json;

namespace {

const golden::Family& family() {
  static const golden::Family f("optimizers_more");
  return f;
}

// Reads options; what nobody read is an error.
struct Attrs {
  json left;
  void take(const char* key, auto& to) {
    if (!left.contains(key)) return;
    to = left[key].get<std::remove_reference_t<decltype(to)>>();
    left.erase(key);
  }
  void take(const char* key, optim::LearningRate& to) {
    double rate = to.initial();
    take(key, rate);
    to = rate;
  }
};

template <class Class, class Options>
optim::Optimizer made(Attrs& a, Options o) {
  if constexpr (requires { o.learning_rate; }) a.take("learning_rate", o.learning_rate);
  if (a.left.contains("schedule")) {
    const json& s = a.left["schedule"];
    o.learning_rate = optim::schedules::ExponentialDecay(s[0], s[1], s[2]);
    a.left.erase("schedule");
  }
  if constexpr (requires { o.weight_decay; }) a.take("weight_decay", o.weight_decay);
  if constexpr (requires { o.clipnorm; }) a.take("clipnorm", o.clipnorm);
  if constexpr (requires { o.clipvalue; }) a.take("clipvalue", o.clipvalue);
  if constexpr (requires { o.global_clipnorm; }) a.take("global_clipnorm", o.global_clipnorm);
  if constexpr (requires { o.use_ema; }) a.take("use_ema", o.use_ema);
  if constexpr (requires { o.ema_momentum; }) a.take("ema_momentum", o.ema_momentum);
  if constexpr (requires { o.ema_overwrite_frequency; }) a.take("ema_overwrite_frequency", o.ema_overwrite_frequency);
  if constexpr (requires { o.momentum; }) a.take("momentum", o.momentum);
  if constexpr (requires { o.nesterov; }) a.take("nesterov", o.nesterov);
  if constexpr (requires { o.beta_1; }) a.take("beta_1", o.beta_1);
  if constexpr (requires { o.beta_2; }) a.take("beta_2", o.beta_2);
  if constexpr (requires { o.epsilon; }) a.take("epsilon", o.epsilon);
  if constexpr (requires { o.amsgrad; }) a.take("amsgrad", o.amsgrad);
  if constexpr (requires { o.rho; }) a.take("rho", o.rho);
  if constexpr (requires { o.learning_rate_power; }) a.take("learning_rate_power", o.learning_rate_power);
  if constexpr (requires { o.initial_accumulator_value; })
    a.take("initial_accumulator_value", o.initial_accumulator_value);
  if constexpr (requires { o.l1_regularization_strength; })
    a.take("l1_regularization_strength", o.l1_regularization_strength);
  if constexpr (requires { o.l2_regularization_strength; })
    a.take("l2_regularization_strength", o.l2_regularization_strength);
  if constexpr (requires { o.l2_shrinkage_regularization_strength; })
    a.take("l2_shrinkage_regularization_strength", o.l2_shrinkage_regularization_strength);
  if constexpr (requires { o.beta; }) a.take("beta", o.beta);
  if constexpr (requires { o.beta_2_decay; }) a.take("beta_2_decay", o.beta_2_decay);
  if constexpr (requires { o.epsilon_1; }) a.take("epsilon_1", o.epsilon_1);
  if constexpr (requires { o.epsilon_2; }) a.take("epsilon_2", o.epsilon_2);
  if constexpr (requires { o.clip_threshold; }) a.take("clip_threshold", o.clip_threshold);
  if constexpr (requires { o.relative_step; }) a.take("relative_step", o.relative_step);
  if constexpr (requires { o.adam_beta_1; }) a.take("adam_beta_1", o.adam_beta_1);
  if constexpr (requires { o.adam_beta_2; }) a.take("adam_beta_2", o.adam_beta_2);
  if constexpr (requires { o.adam_weight_decay; }) a.take("adam_weight_decay", o.adam_weight_decay);
  if constexpr (requires { o.ns_steps; }) a.take("ns_steps", o.ns_steps);
  if constexpr (requires { o.rms_rate; }) a.take("rms_rate", o.rms_rate);
  if constexpr (requires { o.adam_lr_ratio; }) a.take("adam_lr_ratio", o.adam_lr_ratio);
  if constexpr (requires { o.exclude_layers; }) a.take("exclude_layers", o.exclude_layers);
  return Class(o);
}

optim::Optimizer make(const json& c) {
  const std::string op = c["op"];
  Attrs a{c["attrs"]};
  auto all = [&]() -> optim::Optimizer {
    if (op == "SGD") return made<optim::SGD>(a, optim::SGDOptions());
    if (op == "Adam") return made<optim::Adam>(a, optim::AdamOptions());
    if (op == "Adamax") return made<optim::Adamax>(a, optim::AdamaxOptions());
    if (op == "Nadam") return made<optim::Nadam>(a, optim::NadamOptions());
    if (op == "Adadelta") return made<optim::Adadelta>(a, optim::AdadeltaOptions());
    if (op == "Ftrl") return made<optim::Ftrl>(a, optim::FtrlOptions());
    if (op == "Lion") return made<optim::Lion>(a, optim::LionOptions());
    if (op == "Lamb") return made<optim::Lamb>(a, optim::LambOptions());
    if (op == "Adafactor") return made<optim::Adafactor>(a, optim::AdafactorOptions());
    REQUIRE_MESSAGE(op == "Muon", "no optimizer " << op);
    return made<optim::Muon>(a, optim::MuonOptions());
  }();
  CHECK_MESSAGE(a.left.empty(), "not used: " << a.left.dump());
  return all;
}

std::vector<json> cases() {
  std::vector<json> out;
  for (auto& c : family().cases)
    if (c["op"] != "none") out.push_back(c);
  return out;
}

struct Run {
  std::vector<Variable> variables;
  std::vector<Tensor> gradients;
  explicit Run(DType dtype = DType::f32) {
    for (int i = 0; i < 3; ++i) {
      auto get = [&](const char* field) { return family().get("start", field + std::to_string(i)).astype(dtype); };
      variables.emplace_back(get("start_"), std::string(1, char('a' + i)));
      gradients.push_back(get("grads_"));
    }
  }
  std::vector<Tensor> at(int step) const {
    std::vector<Tensor> g;
    for (auto& all : gradients) g.push_back(all[step]);
    return g;
  }
};

// Keras computes powers and sums of a step in f32; f64 runs of ours are as far from it.
constexpr double kOfKeras = 1e-5;

}  // namespace

TEST_CASE("ten steps are those of Keras, and so are averages") {
  for (auto& c : cases()) {
    INFO(c["name"]);
    for (DType dtype : {DType::f32, DType::f64}) {
      INFO(name_of(dtype));
      optim::Optimizer optimizer = make(c);
      Run run(dtype);
      int seen = 0;
      for (int step = 0; step < 10; ++step) {
        optimizer.apply_gradients(run.at(step), run.variables);
        if (step != 0 && step != 1 && step != 4 && step != 9) continue;
        for (int i = 0; i < 3; ++i) {
          INFO("variable " << i << ", step " << step);
          const Tensor expected = family().get(c["name"], "after_" + std::to_string(i))[seen];
          CHECK(run.variables[std::size_t(i)].dtype() == dtype);
          CHECK(distance(run.variables[std::size_t(i)].value(), expected) < kOfKeras);
        }
        ++seen;
      }
      if (!c["attrs"].contains("use_ema")) continue;
      optimizer.finalize_variable_values(run.variables);
      for (int i = 0; i < 3; ++i)
        CHECK(distance(run.variables[std::size_t(i)].value(), family().get(c["name"], "average_" + std::to_string(i))) <
              kOfKeras);
    }
  }
}

TEST_CASE("a traced step does what an eager one does, with one trace") {
  for (auto& c : cases()) {
    INFO(c["name"]);
    optim::Optimizer eager = make(c), traced = make(c);
    Run a, b;
    auto step = function([&](const Tensor& g, const Tensor& h, const Tensor& k) {
      traced.apply_gradients({g, h, k}, b.variables);
      return b.variables[0].value();
    });
    for (int i = 0; i < 6; ++i) {
      const auto g = a.at(i);
      eager.apply_gradients(g, a.variables);
      step(g[0], g[1], g[2]);
      for (std::size_t k = 0; k < 3; ++k) CHECK(distance(b.variables[k].value(), a.variables[k].value()) < 2e-6);
    }
    CHECK(step.trace_count() == 1);
    const auto p = eager.variables(), q = traced.variables();
    REQUIRE(p.size() == q.size());
    for (std::size_t i = 0; i < p.size(); ++i) CHECK(distance(p[i].value(), q[i].value()) < 2e-6);
  }
}

TEST_CASE("by name, with Keras's defaults; halves move too; reset makes as new") {
  for (const char* name : {"adamax", "nadam", "adadelta", "ftrl", "lion", "lamb", "adafactor", "muon"}) {
    INFO(name);
    optim::Optimizer optimizer(name);
    CHECK(optimizer.name() == name);
    Run run;
    for (int step = 0; step < 10; ++step) optimizer.apply_gradients(run.at(step), run.variables);
    for (int i = 0; i < 3; ++i)
      CHECK(distance(run.variables[std::size_t(i)].value(), family().get(name, "after_" + std::to_string(i))[3]) <
            kOfKeras);
    optimizer.reset();
    Run again;
    for (std::size_t i = 0; i < 3; ++i) run.variables[i].assign(again.variables[i].value());
    optimizer.apply_gradients(run.at(0), run.variables);
    for (int i = 0; i < 3; ++i)
      CHECK(distance(run.variables[std::size_t(i)].value(), family().get(name, "after_" + std::to_string(i))[0]) <
            kOfKeras);
    Run halves(DType::bf16);
    optim::Optimizer fresh(name);
    fresh.apply_gradients(halves.at(0), halves.variables);
    for (int i = 0; i < 3; ++i) {
      CHECK(halves.variables[std::size_t(i)].dtype() == DType::bf16);
      CHECK(distance(halves.variables[std::size_t(i)].value(), family().get(name, "after_" + std::to_string(i))[0]) <
            2e-2);
    }
  }
}

TEST_CASE("what each keeps") {
  Variable matrix(ones({2, 3}), "dense/kernel");
  auto slots = [&](optim::Optimizer o) {
    o.apply_gradients({ones({2, 3})}, {matrix});
    std::string text;
    const auto state = o.slots(matrix);
    const auto specs = o.slot_specs(matrix);
    REQUIRE(specs.size() == state.size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      text += state[i].name() + state[i].shape().str() + " ";
      CHECK(specs[i] == TensorSpec(state[i].shape(), state[i].dtype()));
    }
    return text;
  };
  CHECK(slots(optim::Adafactor()) ==
        "adafactor/dense_kernel_row[2] adafactor/dense_kernel_column[3] adafactor/dense_kernel_velocity[2, 3] ");
  CHECK(slots(optim::Muon()) == "muon/dense_kernel_momentum[2, 3] muon/dense_kernel_velocity[0] ");
  CHECK(slots(optim::Muon({.exclude_layers = {"^dense/"}})) ==
        "muon/dense_kernel_momentum[2, 3] muon/dense_kernel_velocity[2, 3] ");
  CHECK(slots(optim::Lion({.use_ema = true})) == "lion/dense_kernel_momentum[2, 3] lion/dense_kernel_average[2, 3] ");
  CHECK(optim::Nadam().variables().size() == 3);
  CHECK(optim::Nadam().shared_variables()[0].name() == "nadam/decay_product");
}

TEST_CASE("averages: variables that did not move count as they are; fit ends with averages") {
  Variable a(full({}, 1.0f), "a"), b(full({}, 5.0f), "b");
  optim::SGD sgd({.learning_rate = 1, .use_ema = true, .ema_momentum = 0.5});
  sgd.apply_gradients({ones({}), Tensor()}, {a, b});         // a: 0, average 0
  sgd.apply_gradients({full({}, -4.0f), ones({})}, {a, b});  // a: 4, average 2; b: 4, average 4.5
  CHECK(sgd.slots(a)[0].value().item<float>() == 2);
  CHECK(sgd.slots(b)[0].value().item<float>() == 4.5);
  sgd.apply_gradients({Tensor(), ones({})}, {a, b});  // average of a: 3
  CHECK(a.value().item<float>() == 4);
  Variable c(ones({}), "c");
  sgd.finalize_variable_values({a, b, c});
  CHECK(a.value().item<float>() == 3);
  CHECK(c.value().item<float>() == 1);

  nn::Sequential model{nn::Dense(1, {.use_bias = false, .kernel_initializer = "ones"})};
  model.compile(
      {.optimizer = optim::SGD({.learning_rate = 0.25, .use_ema = true, .ema_momentum = 0.5}), .loss = "mse"});
  model.fit(ones({4, 1}), zeros({4, 1}), {.batch_size = 2, .verbose = 0});
  CHECK(model.variables()[0].value().item<float>() == doctest::Approx((0.5 + 0.25) / 2));  // 1 -> 0.5 -> 0.25
}

TEST_CASE("what is refused") {
  check_error<UsageError>(
      [] { optim::Optimizer("lyon"); },
      "optimizer: there is no 'lyon'. Did you mean 'lion'? There are: adadelta, adafactor, adagrad, "
      "adam, adamax, adamw, ftrl, lamb, lion, muon, nadam, rmsprop, sgd.");
  check_error<UsageError>([] { optim::Adam({.use_ema = true, .ema_momentum = 1}); },
                          "Adam: ema_momentum must be in [0, 1), got 1.");
  check_error<UsageError>([] { optim::Ftrl({.learning_rate_power = 0.5}); },
                          "Ftrl: learning_rate_power must be 0 or less, got 0.5.");
  check_error<UsageError>([] { optim::Muon({.ns_steps = 0}); }, "Muon: ns_steps must be 1 or more, got 0.");
  check_error<UsageError>([] { optim::SGD({.learning_rate = -1}); }, "SGD: learning_rate must be 0 or more, got -1.");
}
