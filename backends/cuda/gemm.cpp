#include <tapir/backends/cuda/gemm.h>
#include <tapir/backends/cuda/runtime.h>
#include <tapir/backends/cuda/scratch.h>
#include <tapir/tensor/error.h>

#include <map>
#include <mutex>
#include <string>

namespace tapir::cuda {
namespace {

// Handles are not to be used by two threads at once, and work of a device is in one stream anyway.
struct Handles {
  std::mutex mutex;
  std::map<int, void*> by_device;
};
Handles& handles() {
  static auto* h = new Handles;  // never destroyed, as the driver may be gone by then
  return *h;
}

void check_blas(int status, const char* what) {
  if (status != success)
    throw DeviceError(std::string(what) + ": cuBLAS answers with status " + std::to_string(status) + ".");
}

int fits(std::int64_t n) {
  if (n > 0x7fffffff) throw ShapeError("matmul: " + std::to_string(n) + " is more than cuBLAS can count to.");
  return int(n);
}

BlasType type_of(DType d) {
  switch (d) {
    case DType::f64:
      return blas_f64;
    case DType::f16:
      return blas_f16;
    case DType::bf16:
      return blas_bf16;
    default:
      return blas_f32;
  }
}

}  // namespace

void gemm(const Gemm& g) {
  if (g.m == 0 || g.n == 0 || g.count == 0) return;
  if (const char* why = runtime().load_blas()) throw DeviceError(std::string("matmul: ") + why + ".");
  Handles& all = handles();
  std::lock_guard lock(all.mutex);
  void*& handle = all.by_device[current_device()];
  if (!handle) check_blas(runtime().blas_create(&handle), "matmul");
  check_blas(runtime().blas_set_stream(handle, stream()), "matmul");
  const bool wide = g.dtype == DType::f64;
  const float one_f32 = 1, beta_f32 = float(g.beta);
  const double one_f64 = 1, beta_f64 = g.beta;
  const void *alpha = wide ? static_cast<const void*>(&one_f64) : &one_f32,
             *beta = wide ? static_cast<const void*>(&beta_f64) : &beta_f32;
  const int compute = wide                                                         ? compute_f64
                      : g.dtype == DType::f32 && g.precision != Precision::highest ? compute_tf32
                                                                                   : compute_f32;
  const int type = type_of(g.dtype);
  // A row-major matrix is the transpose of a column-major one: c^T = b^T a^T.
  check_blas(runtime().blas_gemm_strided_batched_ex(
                 handle, g.transpose_b ? transposed : as_it_is, g.transpose_a ? transposed : as_it_is, fits(g.n),
                 fits(g.m), fits(g.k), alpha, g.b, type, fits(g.ldb), g.stride_b, g.a, type, fits(g.lda), g.stride_a,
                 beta, g.c, type, fits(g.ldc), g.stride_c, fits(g.count), compute, -1),
             "matmul");
}

}  // namespace tapir::cuda
