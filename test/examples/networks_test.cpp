// The networks of examples/networks/: as many weights as published, shapes, traced beside eager, and they learn.
#include <doctest/doctest.h>
#include <tapir/examples/networks/networks.h>
#include <tapir/tapir.h>

using namespace tapir;

namespace {

struct Case {
  const char* name;
  std::shared_ptr<nn::Model> (*make)(std::int64_t classes);
  Shape published_for;  // the image that the figure is for
  std::int64_t classes, weights;
  Shape small, result;  // an image that makes the test quick, and what comes out of it
};

template <auto make>
std::shared_ptr<nn::Model> shared(std::int64_t classes) {
  auto net = make(classes);
  return std::make_shared<decltype(net)>(std::move(net));
}

const Case cases[] = {
    // torchvision's num_params, https://docs.pytorch.org/vision/stable/models.html
    {"resnet18", shared<networks::resnet18>, {224, 224, 3}, 1000, 11'689'512, {32, 32, 3}, {10}},
    {"resnet50", shared<networks::resnet50>, {224, 224, 3}, 1000, 25'557'032, {32, 32, 3}, {10}},
    {"vgg16", shared<networks::vgg16>, {224, 224, 3}, 1000, 138'357'544, {32, 32, 3}, {10}},
    {"mobilenet_v2", shared<networks::mobilenet_v2>, {224, 224, 3}, 1000, 3'504'872, {32, 32, 3}, {10}},
    // The paper's figure 1, one channel in and two classes out: 23 convolutions with their biases.
    {"unet", shared<networks::unet>, {32, 32, 1}, 2, 31'030'658, {16, 16, 1}, {16, 16, 10}},
    // model.parameters() of airbench94.py, https://github.com/KellerJordan/cifar10-airbench
    {"airbench", shared<networks::airbench>, {32, 32, 3}, 10, 1'972'792, {32, 32, 3}, {10}},
};

std::int64_t trainable(const nn::Model& net) {
  std::int64_t n = 0;
  for (auto& v : net.trainable_variables()) n += v.size();
  return n;
}

// How far a is from b, against how large b is.
double distance(const Tensor& a, const Tensor& b) {
  const Tensor x = a.astype(DType::f64), y = b.astype(DType::f64);
  return sqrt(sum(square(x - y)) / sum(square(y))).item<double>();
}

struct Batch {
  Tensor x, labels;
  explicit Batch(const Case& c) {
    const Shape n = Shape{8};
    x = random::normal(n.concat(c.small), {.seed = 1});
    labels = random::integers(n.concat(c.result.first(c.result.rank() - 1)), 0, 10, {.seed = 2});
  }
  Tensor loss(nn::Model& net) const {
    return nn::sparse_categorical_crossentropy(labels, net(x, {.training = true}), {.from_logits = true});
  }
};

}  // namespace

TEST_CASE("as many weights as published") {
  for (const Case& c : cases) {
    CAPTURE(std::string(c.name));
    auto net = c.make(c.classes);
    net->build(c.published_for);
    CHECK(trainable(*net) == c.weights);
  }
}

TEST_CASE("traced beside eager: loss, gradients, inference; a step lowers the loss as the gradient says") {
  for (const Case& c : cases) {
    CAPTURE(std::string(c.name));
    random::set_seed(3);
    auto net = c.make(10);
    const Batch batch(c);
    CHECK(net->compute_output_shape(c.small) == c.result);
    const auto weights = net->trainable_variables();
    auto loss_and_gradients = [&] {
      GradientTape tape;
      Tensor loss = batch.loss(*net);
      auto all = tape.gradient(loss, weights);
      all.insert(all.begin(), loss);
      return all;
    };
    auto seeded = [](auto&& f) {  // for dropout
      random::set_seed(4);
      return f();
    };
    const auto eager = seeded(loss_and_gradients), traced = seeded(function(loss_and_gradients));
    for (std::size_t i = 0; i < eager.size(); ++i) CHECK(distance(traced[i], eager[i]) < 1e-5);

    const double loss = traced[0].item<float>();
    double slope = 0;
    for (std::size_t i = 1; i < traced.size(); ++i) slope += sum(square(traced[i])).item<float>();
    optim::SGD({.learning_rate = 0.05 * loss / slope}).apply_gradients({traced.begin() + 1, traced.end()}, weights);
    const double fell = loss - seeded([&] { return batch.loss(*net); }).item<float>();
    CHECK(fell == doctest::Approx(0.05 * loss).epsilon(0.3));

    auto infer = [&](const Tensor& x) { return (*net)(x, {.training = false}); };
    CHECK(distance(function(infer)(batch.x), infer(batch.x)) < 1e-5);
  }
}
