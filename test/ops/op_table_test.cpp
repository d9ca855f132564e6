// Every row of the op table, by one table of cases. For each case: the value in f32 against the same in f64, gradients
// of first and second order against central differences, strided inputs, halves, empty inputs. A row that no case runs,
// or that is not excused below, fails the last test. Values against references that are not ours are in the families'
// tests.
#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/ops/op_cases.h>
#include <tapir/test/ops/witness.h>

#include <cmath>
#include <string>

using namespace tapir;

namespace {

std::vector<const OpDef*>& seen() {
  static std::vector<const OpDef*> rows;
  return rows;
}

std::vector<double> values(const Tensor& t) { return t.astype(DType::f64).to_vector<double>(); }

double difference(const Tensor& a, const Tensor& b) {  // relative to the largest value
  std::vector<double> x = values(a), y = values(b);
  if (x.size() != y.size()) return INFINITY;
  double worst = 0, scale = 1e-30;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) != std::isnan(y[i])) return INFINITY;
    if (x[i] == y[i] || std::isnan(x[i])) continue;
    worst = std::max(worst, std::fabs(x[i] - y[i]));
    scale = std::max(scale, std::fabs(y[i]));
  }
  return worst / std::max(scale, 1.0);
}

std::vector<Tensor> cast_floats(const std::vector<Tensor>& in, DType d) {
  std::vector<Tensor> out;
  for (auto& t : in) out.push_back(is_floating(t.dtype()) ? t.astype(d) : t);
  return out;
}

// The same values behind other strides.
Tensor strided(const Tensor& t) {
  if (t.rank() == 0) return t;
  Axes back;
  for (int i = t.rank(); i-- > 0;) back.push_back(i);
  Tensor turned = permute_dims(contiguous(permute_dims(t, back)), back);
  return stack({turned, turned}, {.axis = -1})(ellipsis, 0);
}

}  // namespace

TEST_CASE("every case: f32, f64, strides, halves, gradients of both orders") {
  for (auto& c : op_cases()) {
    CAPTURE(c.name);
    Witness witness(seen());
    std::vector<Tensor> in = c.inputs();
    Tensor wide = c.run(in);
    CHECK_MESSAGE(difference(c.run(cast_floats(in, DType::f32)), wide) < c.expect.tolerance, c.name,
                  ": f32 against f64");
    std::vector<Tensor> views;
    for (auto& t : in) views.push_back(strided(t));
    CHECK_MESSAGE(difference(c.run(views), wide) < 1e-12, c.name, ": strided views");
    if (c.expect.halves)
      for (DType d : {DType::bf16, DType::f16}) {
        Tensor half = c.run(cast_floats(in, d)), rounded = c.run(cast_floats(cast_floats(in, d), DType::f32));
        CHECK_MESSAGE(difference(half, rounded) < (d == DType::bf16 ? 1.6e-2 : 2e-3), c.name, ": ", name_of(d));
      }
    if (!c.expect.differentiable) continue;
    GradcheckResult r = gradcheck(c.run, in, {.order = c.expect.order, .tolerance = 2e-6});
    CHECK_MESSAGE(r.ok, c.name, ": ", r.report);
  }
}

TEST_CASE("empty inputs give empty results and gradients") {
  for (auto& c : op_cases()) {
    if (!c.expect.batched) continue;
    CAPTURE(c.name);
    Witness witness(seen());
    std::vector<Tensor> in = c.inputs();
    const std::int64_t n = in[0].shape()[0];
    for (auto& t : in)
      if (t.rank() == in[0].rank() && t.shape()[0] == n) t = t[Slice(0, 0)];
    Tensor y = c.run(in);
    CHECK_MESSAGE(y.size() == 0, c.name);
    if (!c.expect.differentiable) continue;
    GradientTape tape;
    tape.watch(in[0]);
    Tensor z = c.run(in);
    if (!tape.recorded(z)) continue;  // a function of steps
    CHECK_MESSAGE(tape.gradient(z, in[0], {.unconnected = UnconnectedGradients::zero}).shape() == in[0].shape(),
                  c.name);
  }
}

TEST_CASE("no row is left out") {
  std::string missing;
  for (const OpDef* op : all_ops()) {
    CHECK_MESSAGE(find_op(op->name) == op, "two rows are called ", op->name);
    // These exist in traces alone: test/graph/control_flow_test.cpp, test/graph/function_test.cpp.
    if (op->make || op->name == std::string("custom_gradient") || op->name == std::string("again")) continue;
    if (std::find(seen().begin(), seen().end(), op) == seen().end()) missing += std::string(" ") + op->name;
  }
  CHECK_MESSAGE(missing.empty(), "no case in test/ops/op_cases.cpp runs:", missing);
}
