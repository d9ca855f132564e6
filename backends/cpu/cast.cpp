// Dense copies of strided tensors, with or without a change of dtype.
#include <tapir/backends/cpu/copy.h>
#include <tapir/backends/cpu/half_loops.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/strided.h>
#include <tapir/ops/kernels.h>
#include <tapir/tensor/convert.h>

namespace tapir::cpu {

void convert(const void* in, DType from, void* out, DType to, std::int64_t n) {
  static const HalfLoops& loops = by_isa(&v2::half_loops, TAPIR_TOP_ISA >= 3 ? &v3::half_loops : nullptr,
                                         TAPIR_TOP_ISA >= 4 ? &v4::half_loops : nullptr);
  if (from == DType::f16 && to == DType::f32)
    return loops.from_f16(static_cast<const float16*>(in), static_cast<float*>(out), n);
  if (from == DType::f32 && to == DType::f16)
    return loops.to_f16(static_cast<const float*>(in), static_cast<float16*>(out), n);
  if (from == DType::bf16 && to == DType::f32)
    return loops.from_bf16(static_cast<const bfloat16*>(in), static_cast<float*>(out), n);
  if (from == DType::f32 && to == DType::bf16)
    return loops.to_bf16(static_cast<const float*>(in), static_cast<bfloat16*>(out), n);
  tapir::detail::convert(in, from, 1, out, to, n);
}

void cast(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const auto from = x.data<std::byte>();
  auto to = y.mutable_data<std::byte>();
  const auto in_size = std::int64_t(size_of(x.dtype())), out_size = std::int64_t(size_of(y.dtype()));
  if (x.is_contiguous()) {
    parallel_for(x.size(), 1 << 15, [&](std::int64_t b, std::int64_t e) {
      convert(from + b * in_size, x.dtype(), to + b * out_size, y.dtype(), e - b);
    });
    return;
  }
  if (x.dtype() == y.dtype()) return copy_strided(to, y.strides(), from, x.strides(), y.shape(), size_of(x.dtype()));
  Strided walk(y.shape(), x);
  constexpr std::int64_t block = 1024;
  parallel_for((y.size() + block - 1) / block, 16, [&](std::int64_t first, std::int64_t last) {
    alignas(64) std::byte buffer[block * 8];
    for (std::int64_t t = first; t < last; ++t) {
      std::int64_t b = t * block, n = std::min(block, y.size() - b);
      walk.gather(from, b, n, buffer);
      convert(buffer, x.dtype(), to + b * out_size, y.dtype(), n);
    }
  });
}

}  // namespace tapir::cpu
