// Every case of the op table, traced against eager: values, gradients of both orders, unknown batch sizes.
#include <doctest/doctest.h>
#include <tapir/test/difference.h>
#include <tapir/test/ops/op_cases.h>

#include <cmath>

using namespace tapir;

namespace {

using List = std::vector<Tensor>;

List floating(const List& in) {
  List out;
  for (auto& t : in)
    if (is_floating(t.dtype())) out.push_back(t);
  return out;
}

// The gradient of sum(y^2) / 2 with respect to the floating inputs, and that of half its square.
template <class F>
List gradients(const F& f, const List& in, int order) {
  GradientTape outer;
  List first, result;
  Tensor target;
  for (auto& t : floating(in)) outer.watch(t);
  {
    GradientTape tape;
    for (auto& t : floating(in)) tape.watch(t);
    Tensor y = f(in);
    if (!tape.recorded(y)) return {};
    first = tape.gradient(sum(y * y) * 0.5, floating(in), {.unconnected = UnconnectedGradients::zero});
  }
  result = first;
  if (order < 2) return result;
  for (auto& g : first) {
    Tensor s = sum(g * g) * 0.5;
    target = target.defined() ? target + s : s;
  }
  if (!outer.recorded(target)) return result;
  for (auto& g : outer.gradient(target, floating(in), {.unconnected = UnconnectedGradients::zero})) result.push_back(g);
  return result;
}

}  // namespace

TEST_CASE("every case: traced is eager") {
  for (auto& c : op_cases()) {
    CAPTURE(c.name);
    const List in = c.inputs();
    auto f = function([&](const List& x) { return c.run(x); });
    const Tensor y = c.run(in);
    CHECK_MESSAGE(difference(f(in), y) < 1e-12, c.name);
    if (c.expect.pure) CHECK_MESSAGE(difference(f(in), y) < 1e-12, c.name, ": the second call");
    CHECK(f.trace_count() == 1);
    if (!c.expect.differentiable) continue;
    const List g = gradients(c.run, in, c.expect.order);
    CHECK_MESSAGE(difference(gradients(f, in, c.expect.order), g) < 1e-10, c.name, ": a tape around the call");
    auto whole = function([&](const List& x) { return gradients(c.run, x, c.expect.order); });
    CHECK_MESSAGE(difference(whole(in), g) < 1e-10, c.name, ": tapes inside the trace");
  }
}

TEST_CASE("every batched case: one trace for any batch size") {
  for (auto& c : op_cases()) {
    if (!c.expect.batched) continue;
    CAPTURE(c.name);
    const List in = c.inputs();
    const std::int64_t n = in[0].shape()[0];
    std::vector<bool> batched;
    std::vector<TensorSpec> specs;
    for (auto& t : in) {
      batched.push_back(t.rank() == in[0].rank() && t.shape()[0] == n);
      Shape s = t.shape();
      if (batched.back()) s[0] = unknown;
      specs.emplace_back(s, t.dtype());
    }
    auto f = function([&](const List& x) { return c.run(x); }, {.signature = specs});
    for (std::int64_t rows : {n, std::int64_t(1), 2 * n + 1, std::int64_t(0)}) {
      List now = in;
      for (std::size_t i = 0; i < now.size(); ++i)
        if (batched[i]) now[i] = rows <= n ? in[i][Slice(0, rows)] : concat({in[i], in[i], in[i]})[Slice(0, rows)];
      CHECK_MESSAGE(difference(f(now), c.run(now)) < 1e-12, c.name, ": ", rows, " rows");
    }
    CHECK_MESSAGE(f.trace_count() == 1, c.name, ": ", f.explain());
  }
}
