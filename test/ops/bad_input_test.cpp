// A table of calls that must be refused: one line with the user's own place, the rule and the values. What a walk
// through the public functions found to crash or to give nonsense is kept from coming back here.
#include <tapir/test/ops/golden.h>

#include <limits>

using namespace golden;

namespace {

constexpr std::int64_t big = std::int64_t(1) << 62, most = std::numeric_limits<std::int64_t>::max();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
const Tensor x = ones({2, 3}), ints = tensor({1, 2}), bools = tensor({true, false}), image = ones({1, 5, 5, 2}),
             byte = tensor({1}, DType::u8), undefined;

struct Case {
  void (*call)();
  const char* text;
};

// The error is an E, and its text all of the line after `file:line: `.
template <class E>
void refused(std::initializer_list<Case> cases) {
  for (auto& c : cases) check_error<E>(c.call, std::string(": ") + c.text);
}

}  // namespace

TEST_CASE("sizes that no machine has") {
  refused<ShapeError>({
      {[] {
         broadcast_to(constant(1), {big, 8});
       },
       "broadcast_to: [4611686018427387904, 8] is too large to have in memory."},
      {[] {
         tile(x, {big, 8});
       },
       "broadcast_to: [1, 4611686018427387904, 2, 8, 3] is too large to have in memory."},
      {[] {
         resize(image, {big, big});
       },
       "resize: [1, 4611686018427387904, 4611686018427387904, 2] is too large to have in memory."},
      {[] { one_hot(ints, big); }, "one_hot: [2, 4611686018427387904] is too large to have in memory."},
      {[] {
         pad(x, {{big, 0}, {0, 0}});
       },
       "pad: widths (4611686018427387904, 0) for axis 0 are too large to have in memory."},
      {[] { max_pool2d(image, {big}, {.strides = {1}, .padding = Padding::same}); },
       "max_pool2d: a window of 4611686018427387904 (stride 1, dilation 1, padding 0 and 0) is too large."},
      {[] {
         conv2d(image, ones({3, 3, 2, 4}), {.padding = {{big, big}, {0, 0}}});
       },
       "conv2d: a window of 3 (stride 1, dilation 1, padding 4611686018427387904 and 4611686018427387904) is too "
       "large."},
      {[] { narrow(x, 0, most, 2); },
       "narrow: 2 elements from 9223372036854775807 on do not exist along axis 0 ([2, 3])."},
      {[] {
         Tensor::from_vector(std::vector<float>{1, 2}, {-1});
       },
       "shape: negative size -1 of axis 0."},
  });
}

TEST_CASE("numbers that a dtype does not hold") {
  refused<UsageError>({
      {[] { constant(300, DType::u8); }, "constant: 300 does not fit u8."},
      {[] { constant(-1, DType::u8); }, "constant: -1 does not fit u8."},
      {[] { constant(not_a_number, DType::i32); }, "constant: nan does not fit i32."},
      {[] { constant(9.3e18, DType::i64); }, "constant: 9.3e+18 does not fit i64."},
      {[] {
         tensor({1, 1000}, DType::i8);
       },
       "tensor: 1000 does not fit i8."},
      {[] { full({2}, 1e20, DType::i32); }, "full: 1e+20 does not fit i32."},
      {[] { ints + (std::int64_t(1) << 40); },
       "add: 1099511627776 does not fit i32. Cast the tensor first: x.astype(DType::i64)."},
      {[] { byte * 300; }, "multiply: 300 does not fit u8. Cast the tensor first: x.astype(DType::i64)."},
      {[] { byte > -1; }, "greater: -1 does not fit u8. Cast the tensor first: x.astype(DType::i64)."},
      {[] { arange(not_a_number); }, "arange: start, stop and step must be finite, got 0, nan and 1."},
  });
  refused<DTypeError>({
      {[] {
         pad(ints, {{1, 1}}, {.value = 0.5});
       },
       "pad: value 0.5 is no i32. Cast x first: x.astype(DType::f32)."},
      {[] {
         pad(ints, {{1, 1}}, {.value = not_a_number});
       },
       "pad: value nan is no i32. Cast x first: x.astype(DType::f32)."},
      {[] { -bools; }, "negative: needs numbers, got bool."},
  });
  CHECK(constant(255, DType::u8).item<std::uint8_t>() == 255);  // the last that fit
  CHECK(constant(-128.9, DType::i8).item<std::int8_t>() == -128);
  CHECK((byte + 254).item<std::uint8_t>() == 255);
  CHECK(constant(-0x1p63, DType::i64).item<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
  CHECK(array_equal(tril(x, most), x));
  CHECK(array_equal(triu(x, -most), x));
  CHECK(array_equal(triu(x, most), zeros({2, 3})));
}

TEST_CASE("parameters") {
  refused<UsageError>({
      {[] { layer_norm(x, {}, {}, {.epsilon = not_a_number}); }, "layer_norm: epsilon must be 0 or more, got nan."},
      {[] { rms_norm(x, {}, {.epsilon = -1}); }, "rms_norm: epsilon must be 0 or more, got -1."},
      {[] { group_norm(x, 3, {}, {}, {.epsilon = -1}); }, "group_norm: epsilon must be 0 or more, got -1."},
      {[] { batch_norm_training(x, {}, {}, -1); }, "batch_norm_training: epsilon must be 0 or more, got -1."},
      {[] { batch_norm(x, x, x, {}, {}, -1); }, "batch_norm: epsilon must be 0 or more, got -1."},
      {[] { random::keys(-1); }, "keys: count must be at least 0, got -1."},
      {[] { meshgrid({ints}, {.indexing = nullptr}); }, "meshgrid: indexing is \"xy\" or \"ij\", got \"\"."},
      {[] { set_num_threads(0); }, "set_num_threads: needs at least 1, got 0."},
  });
}

TEST_CASE("undefined tensors") {
  const char* text =
      "tensor: it is undefined and holds no value. A gradient of something unconnected is undefined; pass "
      "{.unconnected = UnconnectedGradients::zero} to get zeros.";
  refused<UsageError>({
      {[] { zeros_like(undefined); }, text},
      {[] { ones_like(undefined); }, text},
      {[] { undefined.astype(DType::f64); }, text},
      {[] { (void)undefined.shape(); }, text},
      {[] { (void)undefined.dtype(); }, text},
      {[] { (void)undefined.rank(); }, text},
      {[] { (void)undefined.size(); }, text},
      {[] { (void)undefined.device(); }, text},
      {[] { -undefined; },
       "negative: operand 0 is an undefined tensor. A gradient of something unconnected is undefined."},
  });
}

TEST_CASE("undefined variables") {
  const char* text = "Variable: it is undefined; give it an initial value.";
  refused<UsageError>({
      {[] { (void)Variable().value(); }, text},
      {[] { (void)Variable().name(); }, text},
      {[] { (void)Variable().shape(); }, text},
      {[] { (void)Variable().size(); }, text},
      {[] { Variable().assign(x); }, text},
      {[] { Variable().set_trainable(false); }, text},
  });
}

TEST_CASE("more dimensions than there are") {
  refused<ShapeError>({
      {[] {
         (void)zeros({1, 1, 1, 1, 1, 1, 1, 1, 1});
       },
       "shape: at most 8 dimensions are supported, got 9."},
      {[] { (void)Shape(std::vector<std::int64_t>(10)); }, "shape: at most 8 dimensions are supported, got 10."},
  });
}

TEST_CASE("gradients") {
  refused<UsageError>({
      {[] {
         GradientTape tape;
         tape.watch(x);
         (void)tape.gradient(square(x), undefined);
       },
       "gradient: source 0 is undefined."},
      {[] {
         GradientTape tape;
         tape.watch(x);
         (void)tape.gradient(square(x), std::vector<Variable>{Variable(x), Variable()});
       },
       "gradient: source 1 is undefined."},
      {[] { gradcheck([](const Tensor& t) { return t; }, std::vector<Tensor>{}); }, "gradcheck: there are no inputs."},
      {[] { gradcheck([](const Tensor& t) { return t; }, x, {.order = 3}); },
       "gradcheck: order must be 1 or 2, got 3."},
      {[] { gradcheck([](const Tensor& t) { return t; }, x, {.step = 0}); },
       "gradcheck: step and tolerance must be positive, got 0 and 1e-06."},
  });
  CHECK_FALSE(GradientTape().recorded(undefined));
}

TEST_CASE("functions") {
  auto concrete =
      function([](const Tensor& a, const Tensor& b) { return a + b; }).get_concrete(TensorSpec({2}), TensorSpec({2}));
  check_error<ShapeError>([&] { concrete(x, x); }, ": function: argument 0 is f32[2, 3], its signature says f32[2].");
  refused<UsageError>({
      {[] { function([](const Tensor& a) { return a; }, {.max_traces = 0}); },
       "function: max_traces must be at least 1, got 0."},
      {[] { LoadedFunction()({x}); }, "LoadedFunction: it is empty. Get one from load_function()."},
  });
}
