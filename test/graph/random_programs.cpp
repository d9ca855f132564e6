#include <tapir/test/graph/random_programs.h>

#include <fmt/format.h>

#include <cmath>

namespace random_programs {

using namespace tapir;

List Program::run(const List& in) const {
  List values = in, out;
  for (auto& s : steps) {
    List operands;
    for (int v : s.in) operands.push_back(values[std::size_t(v)]);
    values.push_back(s.run(operands));
  }
  for (int v : outputs) out.push_back(values[std::size_t(v)]);
  return out;
}

List with_gradients(const std::function<List(const List&)>& f, const List& in) {
  List floating;
  for (auto& t : in)
    if (is_floating(t.dtype())) floating.push_back(t);
  GradientTape tape;
  for (auto& t : floating) tape.watch(t);
  List out = f(in);
  Tensor loss;
  for (auto& t : out) {
    if (!is_floating(t.dtype()) || !tape.recorded(t)) continue;
    Tensor part = sum(square(t)).astype(DType::f64);
    loss = loss.defined() ? loss + part : part;
  }
  if (!loss.defined()) return out;
  for (auto& g : tape.gradient(loss, floating, {.unconnected = UnconnectedGradients::zero})) out.push_back(g);
  return out;
}

List Program::inputs_for(std::int64_t batch) const {
  List out;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    Shape s = inputs[i].shape();
    if (batched[i]) s[0] = batch;
    const int number = seed * 10 + int(i);
    out.push_back(is_floating(inputs[i].dtype())
                      ? random::normal(s, {.dtype = inputs[i].dtype(), .seed = number})
                      : random::integers(s, -3, 4, {.dtype = inputs[i].dtype(), .seed = number}));
  }
  return out;
}

std::string Program::str() const {
  std::string s = fmt::format("seed {}\n", seed);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    s += fmt::format("  v{} = input {}{}{}\n", i, name_of(inputs[i].dtype()), inputs[i].shape().str(),
                     batched[i] ? ", any batch" : "");
  for (std::size_t i = 0; i < steps.size(); ++i) {
    s += fmt::format("  v{} = {}(", inputs.size() + i, steps[i].name);
    for (std::size_t k = 0; k < steps[i].in.size(); ++k) s += fmt::format("{}v{}", k ? ", " : "", steps[i].in[k]);
    s += ")\n";
  }
  s += "  outputs:";
  for (int v : outputs) s += fmt::format(" v{}", v);
  return s + "\n";
}

namespace {

constexpr std::int64_t kExampleBatch = 11;

class Maker {
 public:
  Maker(int seed, bool batch) : random_(unsigned(seed) * 2654435761u + 1u), any_batch_(batch) { p_.seed = seed; }

  Program make(int most) {
    const int inputs = 2 + pick(3);
    for (int i = 0; i < inputs; ++i) add_input();
    const int steps = 5 + pick(most - 4);
    for (int tries = 0; int(p_.steps.size()) < steps && tries < 8 * steps; ++tries)
      (this->*kinds[std::size_t(pick(kind_count))])();
    for (int i = 0, n = 1 + pick(3); i < n; ++i)
      p_.outputs.push_back(int(values_.size()) - 1 - pick(std::min(8, int(p_.steps.size()))));
    return std::move(p_);
  }

 private:
  int pick(int n) { return int(random_() % unsigned(n)); }
  bool chance(int percent) { return pick(100) < percent; }
  std::size_t any() { return std::size_t(pick(int(values_.size()))); }

  // A value that f holds for, or npos.
  template <class F>
  std::size_t any_where(F f) {
    for (int tries = 0; tries < 12; ++tries) {
      std::size_t v = chance(50) ? any() : values_.size() - 1 - std::size_t(pick(std::min(6, int(values_.size()))));
      if (f(v)) return v;
    }
    return npos;
  }
  std::size_t floating() {
    return any_where([&](auto v) { return is_floating(values_[v].dtype()); });
  }
  const Shape& shape(std::size_t v) const { return values_[v].shape(); }
  int rank(std::size_t v) const { return shape(v).rank(); }
  int first_axis(std::size_t v) const { return batch_[v] ? 1 : 0; }
  // An axis whose size is known.
  int axis(std::size_t v) { return first_axis(v) + pick(rank(v) - first_axis(v)); }
  bool has_axis(std::size_t v) const { return rank(v) > first_axis(v); }

  void add_input() {
    static const int sizes[] = {1, 2, 3, 4, 2, 3, 1};
    Shape s;
    const bool batch = any_batch_ && (p_.inputs.empty() || chance(50));
    if (batch) s.push_back(kExampleBatch);
    for (int i = 0, r = pick(4); i < r; ++i) s.push_back(chance(2) ? 0 : sizes[pick(7)]);
    const DType d = chance(60) ? DType::f64 : chance(70) ? DType::f32 : chance(50) ? DType::i64 : DType::i32;
    p_.inputs.push_back(zeros(s, d));
    p_.batched.push_back(batch);
    values_.push_back(p_.inputs_for(kExampleBatch).back());
    batch_.push_back(batch);
  }

  // Takes the step if it can be done and its numbers stay tame.
  bool add(std::string name, const std::vector<std::size_t>& in, bool batch, std::function<Tensor(const List&)> f) {
    List operands;
    for (auto v : in) operands.push_back(values_[v]);
    Tensor y;
    try {
      y = f(operands);
    } catch (const Error&) {
      return false;
    }
    if (y.size() > 600 || y.rank() > 5) return false;
    if (y.dtype() != DType::boolean && y.size() && !(max(abs(y.astype(DType::f64))).item<double>() < 1e3)) return false;
    p_.steps.push_back({std::move(name), {in.begin(), in.end()}, std::move(f)});
    values_.push_back(y);
    batch_.push_back(batch);
    return true;
  }

  void unary() {
    using Unary = Tensor (*)(const Tensor&);
    static const std::pair<const char*, Unary> table[] = {
        {"tanh", [](const Tensor& x) { return tanh(x); }},
        {"sin", [](const Tensor& x) { return sin(x); }},
        {"exp of tanh", [](const Tensor& x) { return exp(tanh(x)); }},
        {"sigmoid", [](const Tensor& x) { return sigmoid(x); }},
        {"relu", [](const Tensor& x) { return relu(x); }},
        {"negative", [](const Tensor& x) { return -x; }},
        {"abs", [](const Tensor& x) { return abs(x); }},
        {"square", [](const Tensor& x) { return square(x); }},
        {"log1p of abs", [](const Tensor& x) { return log1p(abs(x)); }},
        {"softplus", [](const Tensor& x) { return softplus(x); }},
        {"gelu", [](const Tensor& x) { return gelu(x); }},
        {"rsqrt", [](const Tensor& x) { return rsqrt(square(x) + 1.0); }},
        {"stop_gradient", [](const Tensor& x) { return stop_gradient(x) * x; }},
        {"times 1", [](const Tensor& x) { return x * 1.0; }},
        {"plus 0", [](const Tensor& x) { return 0.0 + x; }},
        {"minus 0", [](const Tensor& x) { return x - 0.0; }},
        {"by 1", [](const Tensor& x) { return x / 1.0; }},
        {"times 2", [](const Tensor& x) { return x * 2.0; }},
        {"pow 2", [](const Tensor& x) { return pow(x, constant(2.0, x.dtype())); }},
        {"pow 3", [](const Tensor& x) { return pow(x, 3.0); }},
        {"twice negative", [](const Tensor& x) { return -(-x); }},
        {"same twice", [](const Tensor& x) { return cos(x) * cos(x); }},
        {"dropout", [](const Tensor& x) { return dropout(x, 0.3, {.seed = 5}); }},
    };
    const auto v = floating();
    if (v == npos) return;
    const auto& [name, f] = table[pick(int(std::size(table)))];
    add(name, {v}, batch_[v], [f = f](const List& x) { return f(x[0]); });
  }

  // May b stand beside a? The batch must meet the batch, or a size of 1.
  bool beside(std::size_t a, std::size_t b) const {
    if (batch_[a] && batch_[b]) return rank(a) == rank(b);
    if (batch_[a]) return rank(b) < rank(a) || (rank(b) == rank(a) && shape(b)[0] == 1);
    if (batch_[b]) return beside(b, a);
    return true;
  }

  void binary() {
    using Binary = Tensor (*)(const Tensor&, const Tensor&);
    static const std::pair<const char*, Binary> table[] = {
        {"add", [](const Tensor& x, const Tensor& y) { return x + y; }},
        {"subtract", [](const Tensor& x, const Tensor& y) { return x - y; }},
        {"multiply", [](const Tensor& x, const Tensor& y) { return x * y; }},
        {"multiply", [](const Tensor& x, const Tensor& y) { return x * y; }},
        {"maximum", [](const Tensor& x, const Tensor& y) { return maximum(x, y); }},
        {"minimum", [](const Tensor& x, const Tensor& y) { return minimum(x, y); }},
        {"divide", [](const Tensor& x, const Tensor& y) { return x / (abs(y) + 1.0); }},
        {"where", [](const Tensor& x, const Tensor& y) { return where(x > y, x * 0.5, y); }},
        {"atan2", [](const Tensor& x, const Tensor& y) { return atan2(x, y); }},
        {"squared_difference", [](const Tensor& x, const Tensor& y) { return squared_difference(x, y); }},
        {"equal to float", [](const Tensor& x, const Tensor& y) { return (x > y).astype(x.dtype()) + x; }},
    };
    const auto a = floating();
    if (a == npos) return;
    const auto b = any_where([&](auto v) { return is_floating(values_[v].dtype()) && beside(a, v); });
    if (b == npos) return;
    const auto& [name, f] = table[pick(int(std::size(table)))];
    add(name, {a, b}, batch_[a] || batch_[b], [f = f](const List& x) { return f(x[0], x[1]); });
  }

  void whole_numbers() {
    const auto v = any_where([&](auto w) { return is_integer(values_[w].dtype()); });
    if (v == npos) return;
    switch (pick(7)) {
      case 0:
        add("integer to float", {v}, batch_[v], [](const List& x) { return x[0].astype(DType::f64) * 0.25; });
        break;
      case 1:
        add("integer plus 0", {v}, batch_[v], [](const List& x) { return x[0] + 0; });
        break;
      case 2:
        add("integer times 3", {v}, batch_[v], [](const List& x) { return x[0] * 3 - 1; });
        break;
      case 3:
        add("floor_divide", {v}, batch_[v], [](const List& x) { return floor_divide(x[0], 2) + remainder(x[0], 3); });
        break;
      case 4:
        add("to i16 and back", {v}, batch_[v],
            [](const List& x) { return x[0].astype(DType::i16).astype(DType::i64); });
        break;
      case 5:
        add("bits", {v}, batch_[v], [](const List& x) { return ~(~x[0]) & 3; });
        break;
      case 6:
        add("one_hot", {v}, batch_[v], [](const List& x) { return one_hot(remainder(x[0], 3), 3).astype(DType::f64); });
        break;
    }
  }

  void cast() {
    auto v = floating();
    if (v == npos) return;
    const DType to = chance(50) ? DType::f32 : DType::f64;
    switch (pick(3)) {
      case 0:
        add("astype", {v}, batch_[v], [to](const List& x) { return x[0].astype(to); });
        break;
      case 1:
        add("f32 and f64", {v}, batch_[v],
            [to](const List& x) { return x[0].astype(to).astype(DType::f64).astype(to); });
        break;
      case 2:  // of inputs alone: elsewhere a last bit may decide
        v = std::size_t(pick(int(p_.inputs.size())));
        add("argmax", {v}, batch_[v] && rank(v) > 1, [](const List& x) { return argmax(x[0], {.axis = -1}); });
        break;
    }
  }

  void view() {
    const auto v = any();
    const int r = rank(v), first = first_axis(v);
    switch (pick(9)) {
      case 0: {  // two neighbours become one
        if (r - first < 2) return;
        const int a = first + pick(r - first - 1);
        add("merge axes", {v}, batch_[v], [a](const List& x) {
          Shape s = x[0].shape();
          s[a] *= s[a + 1];
          s.erase(a + 1);
          return reshape(x[0], s);
        });
        break;
      }
      case 1: {
        if (!has_axis(v)) return;
        const int a = axis(v);
        if (shape(v)[a] % 2) return;
        add("split an axis", {v}, batch_[v], [a](const List& x) {
          Shape s = x[0].shape();
          s[a] /= 2;
          s.insert(a + 1, 2);
          return reshape(x[0], s);
        });
        break;
      }
      case 2:
      case 3: {
        Axes order;
        for (int i = 0; i < r; ++i) order.push_back(i);
        for (int i = r - 1; i > first; --i) std::swap(order[i], order[first + pick(i - first + 1)]);
        add("permute_dims " + order.str(), {v}, batch_[v],
            [order](const List& x) { return permute_dims(x[0], order); });
        break;
      }
      case 4: {
        if (batch_[v]) return;
        const std::int64_t n = 1 + pick(3);
        add("broadcast_to", {v}, false,
            [n](const List& x) { return broadcast_to(x[0], Shape{n}.concat(x[0].shape())); });
        break;
      }
      case 5: {
        if (!has_axis(v)) return;
        const int a = axis(v);
        const std::int64_t step = chance(30) ? -1 : 1 + pick(2), begin = pick(2);
        add(fmt::format("slice axis {}", a), {v}, batch_[v], [a, step, begin](const List& x) {
          std::vector<Index> at(static_cast<std::size_t>(a), Index(Slice{}));
          at.emplace_back(step < 0 ? Slice(none, none, step) : Slice(begin, none, step));
          return index_with(x[0], at);
        });
        break;
      }
      case 6: {
        const int a = first + pick(r - first + 1);
        add("expand_dims", {v}, batch_[v], [a](const List& x) { return expand_dims(x[0], a); });
        break;
      }
      case 7: {
        if (!has_axis(v)) return;
        const int a = axis(v);
        add("flip", {v}, batch_[v], [a](const List& x) { return flip(x[0], {.axis = a}); });
        break;
      }
      case 8:
        add("contiguous", {v}, batch_[v], [](const List& x) { return contiguous(x[0]); });
        break;
    }
  }

  void reduce() {
    const auto v = floating();
    if (v == npos || rank(v) == 0) return;
    const int a = pick(rank(v)), which = pick(8);
    const bool keep = chance(40), over_batch = batch_[v] && a == 0;
    if (over_batch && which != 0) return;  // only a sum is the same kind of thing for any batch
    add(fmt::format("reduction {} over {}", which, a), {v}, batch_[v] && !over_batch, [a, which, keep](const List& x) {
      const ReduceOptions o{.axis = a, .keepdims = keep};
      switch (which) {
        case 0:
          return sum(x[0], o) * 0.25;
        case 1:
          return sum(x[0], o);
        case 2:
          return mean(x[0], o);
        case 3:
          return max(x[0], o);
        case 4:
          return min(x[0], o);
        case 5:
          return prod(tanh(x[0]), o);
        case 6:
          return logsumexp(x[0], o);
        default:
          return var(x[0], {.axis = a, .keepdims = keep});
      }
    });
  }

  void along_axis() {
    const auto v = floating();
    if (v == npos || !has_axis(v)) return;
    const int a = axis(v);
    switch (pick(5)) {
      case 0:
        add("softmax", {v}, batch_[v], [a](const List& x) { return softmax(x[0], a); });
        break;
      case 1:
        add("log_softmax", {v}, batch_[v], [a](const List& x) { return log_softmax(x[0], a); });
        break;
      case 2:
        add("cumulative_sum", {v}, batch_[v], [a](const List& x) { return cumulative_sum(x[0], {.axis = a}); });
        break;
      case 3:
        add("sort", {v}, batch_[v], [a](const List& x) { return sort(x[0], {.axis = a}); });
        break;
      case 4: {
        const std::int64_t n = shape(v)[a];
        if (n == 0) return;
        std::vector<std::int64_t> at{pick(int(n)), pick(int(n)), pick(int(n))};
        add("take", {v}, batch_[v], [a, at](const List& x) { return take(x[0], Tensor::from_vector(at), a); });
        break;
      }
    }
  }

  void join() {
    const auto a = any();
    const auto b = any_where([&](auto v) {
      return values_[v].dtype() == values_[a].dtype() && rank(v) == rank(a) && batch_[v] == batch_[a];
    });
    if (b == npos || !has_axis(a)) return;
    const int at = axis(a);
    switch (pick(3)) {
      case 0:
        add("concat", {a, b}, batch_[a], [at](const List& x) { return concat({x[0], x[1]}, {.axis = at}); });
        break;
      case 1:
        add("stack", {a, b}, batch_[a], [at](const List& x) { return stack({x[0], x[1]}, {.axis = at}); });
        break;
      case 2:
        add("split", {a}, batch_[a], [at](const List& x) {
          auto parts = split(x[0], 2, {.axis = at});
          return concat({parts[1], parts[0]}, {.axis = at});
        });
        break;
    }
  }

  void product() {
    const auto a = floating();
    if (a == npos || rank(a) - first_axis(a) < 1 || rank(a) < 2) return;
    const auto b = any_where([&](auto v) {
      return values_[v].dtype() == values_[a].dtype() && rank(v) >= 2 && rank(v) <= rank(a) &&
             (!batch_[v] || (batch_[a] && rank(v) == rank(a) && rank(v) > 2));
    });
    if (b == npos) return;
    const bool ta = chance(40) && !(batch_[a] && rank(a) == 2), tb = chance(40), turned = chance(40);
    if (batch_[a] && !batch_[b] && rank(b) == rank(a) && rank(a) > 2 && shape(b)[0] != 1) return;
    add("matmul", {a, b}, batch_[a], [ta, tb, turned](const List& x) {
      return 0.5 * matmul(x[0], turned ? matrix_transpose(x[1]) : x[1], {.transpose_a = ta, .transpose_b = tb});
    });
  }

  void image() {
    const auto v =
        any_where([&](auto w) { return is_floating(values_[w].dtype()) && rank(w) == 4 && shape(w)[3] <= 6; });
    if (v == npos) return;
    const std::int64_t channels = shape(v)[3];
    const int seed = pick(100);
    switch (pick(3)) {
      case 0:
        add("conv2d", {v}, batch_[v], [channels, seed](const List& x) {
          Tensor kernel = random::normal({2, 2, channels, 3}, {.dtype = x[0].dtype(), .seed = seed});
          return relu(conv2d(x[0], kernel, {.padding = Padding::same}) + 0.125);
        });
        break;
      case 1:
        add("max_pool2d", {v}, batch_[v], [](const List& x) {
          return max_pool2d(x[0], {2, 2}, {.padding = Padding::same});
        });
        break;
      case 2:
        add("avg_pool2d", {v}, batch_[v], [](const List& x) {
          return avg_pool2d(x[0], {2, 2}, {.padding = Padding::same});
        });
        break;
    }
  }

  void control() {
    const auto v = floating();
    if (v == npos) return;
    const int rounds = chance(50) ? 3 : 10;
    switch (pick(3)) {
      case 0:
        add("cond", {v}, batch_[v], [](const List& x) {
          return cond(
              sum(x[0]) > 0.1, [&] { return x[0] * 0.5; }, [&] { return sin(x[0]); });
        });
        break;
      case 1:
        add("for_loop", {v}, batch_[v], [rounds](const List& x) {
          return for_loop(
              0, rounds, [&](const Tensor& i, const Tensor& t) { return sin(t) + x[0] * i.astype(x[0].dtype()) * 0.1; },
              x[0]);
        });
        break;
      case 2:
        if (batch_[v] || rank(v) == 0 || shape(v)[0] == 0) return;
        add("scan", {v}, false, [](const List& x) {
          return scan([](const Tensor& s, const Tensor& u) { return std::pair(s * 0.5 + u, tanh(s) * u); }, x[0][0],
                      x[0])
              .second;
        });
        break;
    }
  }

  static constexpr std::size_t npos = ~std::size_t(0);
  using Kind = void (Maker::*)();
  static constexpr Kind kinds[] = {
      &Maker::unary,   &Maker::unary,   &Maker::unary, &Maker::binary, &Maker::binary,        &Maker::binary,
      &Maker::view,    &Maker::view,    &Maker::view,  &Maker::reduce, &Maker::along_axis,    &Maker::join,
      &Maker::product, &Maker::product, &Maker::image, &Maker::cast,   &Maker::whole_numbers, &Maker::control};
  static constexpr int kind_count = int(std::size(kinds));

  Program p_;
  std::mt19937 random_;
  bool any_batch_;
  List values_;
  std::vector<bool> batch_;
};

}  // namespace

Program make_program(int seed, int most, bool batch) { return Maker(seed, batch).make(most); }

}  // namespace random_programs
