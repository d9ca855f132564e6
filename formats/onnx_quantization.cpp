// ONNX: whole numbers that stand for floats, x = (q - zero) * scale.
#include <tapir/formats/onnx_call.h>
#include <tapir/ops/create.h>
#include <tapir/ops/matmul.h>

#include <fmt/format.h>

namespace tapir::onnx::detail {

namespace {

// One number, or one along `axis` of x.
Tensor along_axis(const Call& c, const Tensor& v, const Tensor& x) {
  if (v.size() == 1) return reshape(v, {});
  Shape s = Shape::filled(x.rank(), 1);
  s[int(axis_of(c, c.integer("axis", 1), x.rank()))] = v.size();
  return reshape(v, s);
}

Tensor quantized(const Tensor& x, const Tensor& scale, const Tensor& zero, DType dtype) {
  const double low = dtype == DType::u8 ? 0 : -128, high = dtype == DType::u8 ? 255 : 127;
  return clip(round(x / scale) + zero.astype(x.dtype()), low, high).astype(dtype);
}

Results quantize_linear(const Call& c) {
  const DType dtype = c.has(2) ? c[2].dtype() : DType::u8;
  if (dtype != DType::u8 && dtype != DType::i8)
    c.fail(std::string("results of ") + name_of(dtype) + " are not supported");
  const Tensor zero = c.has(2) ? along_axis(c, c[2], c[0]) : zeros({}, DType::u8);
  return {quantized(c[0].astype(c[1].dtype()), along_axis(c, c[1], c[0]), zero, dtype)};
}
Results dequantize_linear(const Call& c) {
  Tensor q = c[0].astype(DType::i32);
  if (c.has(2)) q = q - along_axis(c, c[2], c[0]).astype(DType::i32);
  return {q.astype(c[1].dtype()) * along_axis(c, c[1], c[0])};
}
// The scale that makes u8 span the values and 0.
Results dynamic_quantize_linear(const Call& c) {
  const Tensor low = minimum(min(c[0]), 0), high = maximum(max(c[0]), 0);
  const Tensor scale = (high - low) / 255;
  const Tensor zero = clip(round(-low / scale), 0, 255).astype(DType::u8);
  return {quantized(c[0], scale, zero, DType::u8), scale, zero};
}
Results matmul_integer(const Call& c) {
  Tensor a = c[0].astype(DType::i32), b = c[1].astype(DType::i32);
  if (c.has(2)) a = a - (c[2].rank() == 1 && c[2].size() > 1 ? expand_dims(c[2], 1) : c[2]).astype(DType::i32);
  if (c.has(3)) b = b - c[3].astype(DType::i32);
  return {matmul(a, b)};
}

constexpr Row rows[] = {
    {"DequantizeLinear", dequantize_linear, 10, 0, 0},
    {"DynamicQuantizeLinear", dynamic_quantize_linear},
    {"MatMulInteger", matmul_integer},
    {"QuantizeLinear", quantize_linear, 10, 0, 1},
};

}  // namespace

std::span<const Row> quantization_rows() { return rows; }

}  // namespace tapir::onnx::detail
