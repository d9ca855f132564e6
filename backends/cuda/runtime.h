// The few entry points of the CUDA runtime and of cuBLAS that the backend calls, as a table: of the real libraries in
// libtapir_cuda.so (runtime.cpp), of host memory in the double of the tests (test/backends/cuda_double.cpp). Arguments
// are those of the functions of the same name; handles and streams are void*, enumerators are ints.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tapir::cuda {

/// cudaMemcpyKind, cublasOperation_t, cudaDataType_t, cublasComputeType_t; runtime.cpp compares them with CUDA's.
enum CopyKind : int { host_to_device = 1, device_to_host = 2, device_to_device = 3 };
enum BlasOperation : int { as_it_is = 0, transposed = 1 };
enum BlasType : int { blas_f32 = 0, blas_f64 = 1, blas_f16 = 2, blas_bf16 = 14 };
enum BlasCompute : int { compute_f32 = 68, compute_f64 = 70, compute_tf32 = 77 };
inline constexpr int success = 0, out_of_memory = 2;

struct Runtime {
  int (*get_device_count)(int* count);
  int (*get_device)(int* device);
  int (*set_device)(int device);
  int (*malloc)(void** block, std::size_t bytes);
  int (*free)(void* block);
  int (*memcpy_async)(void* to, const void* from, std::size_t bytes, int kind, void* stream);
  int (*memset_async)(void* to, int value, std::size_t bytes, void* stream);
  int (*stream_create)(void** stream, unsigned flags);
  int (*stream_synchronize)(void* stream);
  int (*get_last_error)();
  /// cudaStreamBeginCapture in relaxed mode; cudaStreamEndCapture and cudaGraphInstantiate; cudaGraphLaunch;
  /// cudaGraphExecDestroy.
  int (*capture_begin)(void* stream);
  int (*capture_end)(void* stream, void** exec);
  int (*capture_launch)(void* exec, void* stream);
  int (*capture_destroy)(void* exec);
  const char* (*get_error_string)(int error);

  /// cuBLAS, loaded at the first call; null, or why it could not be.
  const char* (*load_blas)();
  int (*blas_create)(void** handle);
  int (*blas_set_stream)(void* handle, void* stream);
  int (*blas_gemm_strided_batched_ex)(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha,
                                      const void* a, int type_a, int lda, long long stride_a, const void* b, int type_b,
                                      int ldb, long long stride_b, const void* beta, void* c, int type_c, int ldc,
                                      long long stride_c, int count, int compute, int algorithm);

  /// The double alone: runs a kernel's loop where device memory may be touched, on a copy of `bytes` at `context`. Null
  /// on a GPU.
  void (*on_device)(void (*kernel)(void* context), const void* context, std::size_t bytes, void* stream);
};

const Runtime& runtime();

/// Throws DeviceError with CUDA's own text if `error` is not success. `what`: "launch", "copy", ...
void check(int error, const char* what);
/// The stream that all work of the current device is given to; made when first needed.
void* stream();

}  // namespace tapir::cuda
