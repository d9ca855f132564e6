// ONNX: If, Loop, Scan. Loops are unrolled in a trace, so how long they go on must be known then.
#include <tapir/formats/onnx_call.h>
#include <tapir/graph/control_flow.h>
#include <tapir/ops/create.h>
#include <tapir/ops/padding.h>

#include <fmt/format.h>

#include <limits>

namespace tapir::onnx::detail {

namespace {

bool truth(const Call& c, const Tensor& t) {
  if (!t.has_data()) c.fail("the condition of a loop must be known when the function is traced");
  if (t.size() != 1) c.fail("the condition is " + t.shape().str() + ", not one value");
  return reshape(t, {}).item<bool>();
}

Results if_(const Call& c) {
  if (c[0].has_data()) return c.body(truth(c, c[0]) ? "then_branch" : "else_branch", {});
  return cond(
      reshape(c[0], {}), [&] { return c.body("then_branch", {}); }, [&] { return c.body("else_branch", {}); });
}

// What the rounds gave, stacked.
Tensor stacked(const Call& c, const std::vector<Tensor>& rows, std::int64_t axis = 0) {
  if (rows.empty()) c.fail("a loop of no rounds has no values to be stacked");
  return stack(rows, {.axis = axis});
}

// body(round, condition, states...) -> condition, states..., values to be stacked...
Results loop(const Call& c) {
  const std::int64_t most = c.has(0) ? c.values(0).at(0) : std::numeric_limits<std::int64_t>::max();
  Tensor condition = c.has(1) ? c[1] : constant(true);
  std::vector<Tensor> states;
  for (std::size_t i = 2; i < c.in().size(); ++i) states.push_back(c[i]);
  std::vector<std::vector<Tensor>> rows(c.outputs() > states.size() ? c.outputs() - states.size() : 0);
  for (std::int64_t i = 0; i < most && truth(c, condition); ++i) {
    std::vector<Tensor> in{constant(i, DType::i64), condition};
    in.insert(in.end(), states.begin(), states.end());
    const Results out = c.body("body", in);
    if (out.size() != 1 + states.size() + rows.size()) c.fail(fmt::format("the body gives {} values", out.size()));
    condition = out[0];
    for (std::size_t s = 0; s < states.size(); ++s) states[s] = out[1 + s];
    for (std::size_t r = 0; r < rows.size(); ++r) rows[r].push_back(out[1 + states.size() + r]);
  }
  Results out = states;
  for (std::size_t r = 0; r < rows.size(); ++r)
    out.push_back(c.wants(states.size() + r) ? stacked(c, rows[r]) : Tensor());
  return out;
}

// body(states..., slices...) -> states..., values to be stacked...
Results scan_(const Call& c) {
  const auto scanned = std::size_t(c.integer("num_scan_inputs", 0));
  if (scanned < 1 || scanned > c.in().size()) c.fail("num_scan_inputs does not fit the inputs");
  const std::size_t n = c.in().size() - scanned;
  if (c.outputs() < n) c.fail("there are fewer outputs than states");
  auto entry = [&](const char* name, std::size_t i) {
    const Integers all = c.integers(name);
    return i < all.size() ? all[i] : 0;
  };
  std::vector<Tensor> states;
  for (std::size_t i = 0; i < n; ++i) states.push_back(c[i]);
  std::vector<std::vector<Tensor>> slices, rows(c.outputs() - n);
  for (std::size_t i = 0; i < scanned; ++i) {
    const auto axis = axis_of(c, entry("scan_input_axes", i), c[n + i].rank());
    slices.push_back(
        unstack(entry("scan_input_directions", i) ? flip(c[n + i], {.axis = axis}) : c[n + i], {.axis = axis}));
    if (slices[i].size() != slices[0].size()) c.fail("what is scanned differs in length");
  }
  for (std::size_t t = 0; t < slices[0].size(); ++t) {
    std::vector<Tensor> in = states;
    for (auto& s : slices) in.push_back(s[t]);
    const Results out = c.body("body", in);
    if (out.size() != n + rows.size()) c.fail(fmt::format("the body gives {} values", out.size()));
    for (std::size_t s = 0; s < n; ++s) states[s] = out[s];
    for (std::size_t r = 0; r < rows.size(); ++r) rows[r].push_back(out[n + r]);
  }
  Results out = states;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const Tensor all = stacked(c, rows[r], entry("scan_output_axes", r));
    const auto axis = axis_of(c, entry("scan_output_axes", r), all.rank());
    out.push_back(entry("scan_output_directions", r) ? flip(all, {.axis = axis}) : all);
  }
  return out;
}

constexpr Row rows[] = {{"If", if_}, {"Loop", loop, 1, 0, 0}, {"Scan", scan_, 9}};

}  // namespace

std::span<const Row> control_rows() { return rows; }

}  // namespace tapir::onnx::detail
