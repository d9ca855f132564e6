// Facts for the op reference, as JSON: the op table, and one call of each public function that has to do with tensors,
// tried in every dtype: which dtypes it takes, which rows it runs, what comes out, how often it can be differentiated.
#include <tapir/tapir.h>
#include <tapir/tensor/cuda_module.h>
#include <tapir/test/ops/witness.h>
#include <tapir/test/reference/op_calls.h>

#include <iostream>
#include <nlohmann/json.hpp>

using namespace tapir;
using Json = nlohmann::ordered_json;

namespace {

std::string text_of(const Tensor& t) { return name_of(t.dtype()) + t.shape().str(); }

std::vector<Tensor> floating(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> out;
  for (auto& t : tensors)
    if (t.defined() && is_floating(t.dtype())) out.push_back(t);
  return out;
}

// One number of all floating results; undefined if there are none.
Tensor total(const std::vector<Tensor>& results) {
  Tensor all;
  for (auto& t : floating(results)) all = all.defined() ? all + sum(t) : sum(t);
  return all;
}

/// The squared derivatives of order n of a call, added up. Undefined if the call has no gradient.
Tensor derivative(const OpCall& call, const Operands& o, int n) {
  GradientTape tape;
  const std::vector<Tensor> x = floating(o.all());
  for (auto& t : x) tape.watch(t);
  Tensor y = n == 1 ? total(call.run(o)) : derivative(call, o, n - 1);
  if (!y.defined() || (n == 1 && !tape.recorded(y))) return {};
  if (!tape.recorded(y)) return zeros_like(y);
  Tensor squares;
  for (auto& g : tape.gradient(y, x))
    if (g.defined()) squares = squares.defined() ? squares + sum(square(g)) : sum(square(g));
  return squares.defined() || n == 1 ? squares : zeros_like(y);
}

/// How many orders can be taken, 3 at most.
int orders(const OpCall& call) {
  const Operands o(DType::f64);
  for (int n = 1; n <= 3; ++n) try {
      if (!derivative(call, o, n).defined()) return n - 1;
    } catch (const Error&) {
      return n - 1;
    }
  return 3;
}

Json facts_of(const OpCall& call) {
  Json dtypes = Json::array(), operands = Json::object(), results = Json::array(), rows = Json::array();
  for (int d = 0; d < dtype_count; ++d) {
    const Operands o{DType(d)};
    std::vector<const OpDef*> ran;
    Witness witness(ran);
    std::vector<Tensor> out;
    try {
      out = call.run(o);
    } catch (const DTypeError&) {
      continue;
    }
    if (dtypes.empty()) {
      for (auto& [name, t] : o.named()) operands[name] = text_of(t);
      for (auto& t : out) results.push_back(text_of(t));
      for (auto* row : ran) rows.push_back(row->name);
    }
    dtypes.push_back(name_of(DType(d)));
  }
  return {{"name", call.name},  {"call", call.text}, {"dtypes", dtypes},      {"operands", operands},
          {"results", results}, {"rows", rows},      {"orders", orders(call)}};
}

// Of the CUDA library that is there, a GPU or the tests' double of one: TAPIR_CUDA_LIBRARY says which.
bool on_cuda(const OpDef& op) {
  if (cuda_device_count() == 0) return false;
  return op.kernel[int(Backend::cuda)] || detail::cuda_module(Device::cuda(), "op_facts").kernel(op.name);
}
std::string why_not_on_cuda(const OpDef& op) {
  return cuda_device_count() ? detail::cuda_module(Device::cuda(), "op_facts").why_not(op.name) : cuda_missing();
}

Json row_of(const OpDef& op) {
  static const char* const saves[] = {"nothing", "inputs", "output", "inputs and output"};
  return {{"name", op.name},
          {"gradient", op.gradient != nullptr},
          {"saves", saves[int(op.saves)]},
          {"cpu", op.kernel[int(Backend::cpu)] != nullptr},
          {"cuda", on_cuda(op)},
          {"why not on cuda", why_not_on_cuda(op)},
          {"kind", op.view   ? "view"
                   : op.make ? "control flow"
                   : op.tile ? "elementwise"
                             : ""},
          {"effect", op.effect}};
}

}  // namespace

int main() {
  Json rows = Json::array(), calls = Json::array();
  for (auto* op : all_ops()) rows.push_back(row_of(*op));
  std::cout.setstate(std::ios::failbit);  // what print() writes
  for (auto& call : op_calls()) calls.push_back(facts_of(call));
  std::cout.clear();
  std::cout << Json{{"rows", rows}, {"calls", calls}}.dump(1) << "\n";
}
