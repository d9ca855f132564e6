// The rows have no outputs. A text is an input of its own, bytes, so that graphs and files keep it.
#include <tapir/ops/effects.h>
#include <tapir/tensor/cuda_module.h>

#include <fmt/format.h>

#include <cstring>
#include <iostream>

namespace tapir {
namespace {

Tensor bytes_of(const std::string& text, const Where& where) {
  return Tensor::from_memory(reinterpret_cast<const std::uint8_t*>(text.data()), {std::int64_t(text.size())}, where);
}
std::string text_in(const Tensor& text) {
  const Tensor bytes = detail::copied_to(text, Device::cpu());
  return {reinterpret_cast<const char*>(bytes.data<std::uint8_t>()), std::size_t(bytes.size())};
}

void check_text(const char* op, const Tensor& text) {
  if (text.dtype() != DType::u8 || text.rank() != 1)
    throw DTypeError(
        fmt::format("{}: its text must be u8 of rank 1, got {}{}.", op, name_of(text.dtype()), text.shape().str()));
}

// in: label, x. Lines after the first start where the tensor does.
void print_kernel(const Call& call) {
  std::string label = text_in(call.in[0]), text;
  if (!label.empty()) label += ": ";
  const std::string indent(label.size(), ' ');
  for (char c : label + call.in[1].str() + "\n") {
    if (c != '\n' && !text.empty() && text.back() == '\n') text += indent;
    text += c;
  }
  std::cout << text << std::flush;
}

const OpDef print_op = {
    .name = "print",
    .infer = [](Inputs in, Attrs, Specs&) { check_text("print", in[0]); },
    .kernel = {print_kernel, print_kernel},
    .needs_contiguous = true,
    .effect = true,
};

std::string place(const Shape& shape, std::int64_t i) {
  Shape at = shape;
  for (int d = shape.rank(); d-- > 0; i /= shape[d]) at[d] = i % shape[d];
  return at.str();
}

// in: message, condition.
void check_kernel(const Call& call) {
  const Tensor condition = detail::copied_to(call.in[1], Device::cpu());
  const auto* values = condition.data<std::uint8_t>();
  const std::int64_t n = condition.size();
  const void* first = n ? std::memchr(values, 0, std::size_t(n)) : nullptr;
  if (!first) return;
  std::string message = text_in(call.in[0]);
  while (!message.empty() && message.back() == '.') message.pop_back();
  if (condition.rank() == 0) throw UsageError(fmt::format("check: {}.", message));
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < n; ++i) wrong += !values[i];
  throw UsageError(fmt::format("check: {} ({} of {} {} false, the first at {}).", message, wrong, n,
                               wrong == 1 ? "is" : "are",
                               place(condition.shape(), static_cast<const std::uint8_t*>(first) - values)));
}

const OpDef check_op = {
    .name = "check",
    .infer =
        [](Inputs in, Attrs, Specs&) {
          check_text("check", in[0]);
          if (in[1].dtype() != DType::boolean)
            throw DTypeError(
                fmt::format("check: the condition must be bool, got {}. Compare it: x != 0.", name_of(in[1].dtype())));
        },
    .kernel = {check_kernel, check_kernel},
    .needs_contiguous = true,
    .effect = true,
};

}  // namespace

void print(const Tensor& x, const std::string& label, Where w) {
  apply_all(print_op, {bytes_of(label, w).to(x.device()), x}, {}, w);
}

void check(const Operand& condition, const std::string& message) {
  apply_all(check_op, {bytes_of(message, condition.where()).to(condition.tensor().device()), condition}, {},
            condition.where());
}

void list_effects(std::vector<const OpDef*>& out) {
  for (auto* op : {&print_op, &check_op}) out.push_back(op);
}

}  // namespace tapir
