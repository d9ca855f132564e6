// The real CUDA: the runtime is linked in and finds the driver by itself when first called; cuBLAS is loaded when a
// product first needs it.
#include <tapir/backends/cuda/runtime.h>

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <string>

namespace tapir::cuda {
namespace {

static_assert(int(cudaMemcpyHostToDevice) == host_to_device && int(cudaMemcpyDeviceToHost) == device_to_host &&
              int(cudaMemcpyDeviceToDevice) == device_to_device);
static_assert(int(CUBLAS_OP_N) == as_it_is && int(CUBLAS_OP_T) == transposed);
static_assert(int(CUDA_R_32F) == blas_f32 && int(CUDA_R_64F) == blas_f64 && int(CUDA_R_16F) == blas_f16 &&
              int(CUDA_R_16BF) == blas_bf16);
static_assert(int(CUBLAS_COMPUTE_32F) == compute_f32 && int(CUBLAS_COMPUTE_64F) == compute_f64 &&
              int(CUBLAS_COMPUTE_32F_FAST_TF32) == compute_tf32);
static_assert(int(cudaErrorMemoryAllocation) == out_of_memory && int(cudaStreamNonBlocking) == 1);

cudaStream_t as_stream(void* s) { return static_cast<cudaStream_t>(s); }

// Named in full, for the header has an overload for older programs.
using Gemm = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void*,
                                const void*, cudaDataType, int, long long, const void*, cudaDataType, int, long long,
                                const void*, void*, cudaDataType, int, long long, int, cublasComputeType_t,
                                cublasGemmAlgo_t);

struct Blas {
  decltype(&cublasCreate_v2) create = nullptr;
  decltype(&cublasSetStream_v2) set_stream = nullptr;
  Gemm gemm = nullptr;
  std::string why;
};

#define TAPIR_STRING(x) #x
#define TAPIR_NAME(x) TAPIR_STRING(x)  // cublas_v2.h renames some functions

const Blas& blas() {
  static const Blas* loaded = [] {
    auto* b = new Blas;
    const std::string name = "libcublas.so." + std::to_string(CUBLAS_VER_MAJOR);
    void* library = nullptr;
    for (const std::string& path : {name, "/usr/local/cuda/lib64/" + name})
      if (!library) library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      b->why = name + " could not be loaded; install CUDA's libraries, or put their folder into LD_LIBRARY_PATH";
      return b;
    }
    auto find = [&](auto& to, const char* symbol) {
      to = reinterpret_cast<std::remove_reference_t<decltype(to)>>(dlsym(library, symbol));
      if (!to) b->why = name + " has no " + symbol;
    };
    find(b->create, TAPIR_NAME(cublasCreate_v2));
    find(b->set_stream, TAPIR_NAME(cublasSetStream_v2));
    find(b->gemm, "cublasGemmStridedBatchedEx");
    return b;
  }();
  return *loaded;
}

}  // namespace

const Runtime& runtime() {
  static const Runtime real = {
      .get_device_count = [](int* count) { return int(cudaGetDeviceCount(count)); },
      .get_device = [](int* device) { return int(cudaGetDevice(device)); },
      .set_device = [](int device) { return int(cudaSetDevice(device)); },
      .malloc = [](void** block, std::size_t bytes) { return int(cudaMalloc(block, bytes)); },
      .free = [](void* block) { return int(cudaFree(block)); },
      .memcpy_async = [](void* to, const void* from, std::size_t bytes, int kind,
                         void* s) { return int(cudaMemcpyAsync(to, from, bytes, cudaMemcpyKind(kind), as_stream(s))); },
      .memset_async = [](void* to, int value, std::size_t bytes,
                         void* s) { return int(cudaMemsetAsync(to, value, bytes, as_stream(s))); },
      .stream_create =
          [](void** s, unsigned flags) {
            return int(cudaStreamCreateWithFlags(reinterpret_cast<cudaStream_t*>(s), flags));
          },
      .stream_synchronize = [](void* s) { return int(cudaStreamSynchronize(as_stream(s))); },
      .get_last_error = [] { return int(cudaGetLastError()); },
      .capture_begin = [](void* s) { return int(cudaStreamBeginCapture(as_stream(s), cudaStreamCaptureModeRelaxed)); },
      .capture_end =
          [](void* s, void** exec) {
            cudaGraph_t graph = nullptr;
            int error = int(cudaStreamEndCapture(as_stream(s), &graph));
            if (error == success) error = int(cudaGraphInstantiate(reinterpret_cast<cudaGraphExec_t*>(exec), graph, 0));
            if (graph) cudaGraphDestroy(graph);
            return error;
          },
      .capture_launch = [](void* exec,
                           void* s) { return int(cudaGraphLaunch(static_cast<cudaGraphExec_t>(exec), as_stream(s))); },
      .capture_destroy = [](void* exec) { return int(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(exec))); },
      .get_error_string = [](int error) { return cudaGetErrorString(cudaError_t(error)); },
      .load_blas = []() -> const char* { return blas().why.empty() ? nullptr : blas().why.c_str(); },
      .blas_create = [](void** handle) { return int(blas().create(reinterpret_cast<cublasHandle_t*>(handle))); },
      .blas_set_stream =
          [](void* handle, void* s) {
            return int(blas().set_stream(static_cast<cublasHandle_t>(handle), as_stream(s)));
          },
      .blas_gemm_strided_batched_ex =
          [](void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a, int type_a,
             int lda, long long stride_a, const void* b, int type_b, int ldb, long long stride_b, const void* beta,
             void* c, int type_c, int ldc, long long stride_c, int count, int compute, int algorithm) {
            return int(blas().gemm(static_cast<cublasHandle_t>(handle), cublasOperation_t(op_a),
                                   cublasOperation_t(op_b), m, n, k, alpha, a, cudaDataType(type_a), lda, stride_a, b,
                                   cudaDataType(type_b), ldb, stride_b, beta, c, cudaDataType(type_c), ldc, stride_c,
                                   count, cublasComputeType_t(compute), cublasGemmAlgo_t(algorithm)));
          },
      .on_device = nullptr,
  };
  return real;
}

}  // namespace tapir::cuda
