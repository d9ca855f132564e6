// What libtapir finds in this library: see tensor/cuda_module.h.
#include <tapir/backends/cuda/capture.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/memory.h>
#include <tapir/tensor/cuda_module.h>

#include <unordered_map>

namespace tapir::cuda {
namespace {

const std::unordered_map<std::string_view, Kernel>& table() {
  static const auto* made = [] {
    KernelList all;
    for (auto list : {list_arithmetic, list_math, list_special, list_activation, list_compare, list_copy, list_reduce,
                      list_scan, list_gather, list_sort, list_random, list_matmul, list_conv, list_pool,
                      list_normalization, list_softmax, list_optimizer, list_fused, list_fft})
      list(all);
    auto* by_name = new std::unordered_map<std::string_view, Kernel>;
    for (auto& [op, kernel] : all) by_name->emplace(op, kernel);
    return by_name;
  }();
  return *made;
}

// Rows that only the CPU has.
const char* why_not(const char* op) {
  for (std::string_view name : {"cholesky", "solve_triangular", "solve", "det", "slogdet", "qr", "eigh", "svd"})
    if (name == op) return "cuSOLVER is not used yet";
  return "nobody has written one yet";
}

Kernel kernel_of(const char* op) {
  const auto found = table().find(op);
  return found == table().end() ? nullptr : found->second;
}

}  // namespace
}  // namespace tapir::cuda

extern "C" [[gnu::visibility("default")]] const tapir::detail::CudaModule* tapir_cuda_module() {
  namespace cuda = tapir::cuda;
  static const tapir::detail::CudaModule module = {
      &tapir::detail::cuda_module_anchor,
      cuda::device_count,
      cuda::new_storage,
      cuda::copy,
      cuda::synchronize,
      cuda::stats,
      cuda::set_limit,
      cuda::release_cached,
      cuda::use,
      cuda::begin_capture,
      cuda::end_capture,
      cuda::replay,
      cuda::drop_capture,
      cuda::kernel_of,
      cuda::why_not,
  };
  return &module;
}
