// A CUDA runtime and a cuBLAS of host memory, for tests on machines without a GPU. With the backend's own files, made
// by a plain C++ compiler, it is libtapir_cuda_double.so, which TAPIR_CUDA_LIBRARY puts in the place of
// libtapir_cuda.so.
//
// Device memory is a region that nobody may touch but copies and kernels: code of the host that reads a device pointer
// dies here as it would on a GPU. There are two devices. TAPIR_DOUBLE_DEVICES gives another number, -1 "no driver".
#include <tapir/backends/cuda/runtime.h>
#include <tapir/tensor/dtype.h>

#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace tapir::cuda {
namespace {

constexpr int no_device = 100, invalid_value = 1, insufficient_driver = 35;
constexpr std::size_t kRegion = std::size_t(4) << 30, kPage = 4096;

// The memory of all devices: first fit over a map of holes.
struct DeviceMemory {
  std::recursive_mutex mutex;
  std::byte* base;
  std::map<std::size_t, std::size_t> holes, blocks;  // offset -> bytes
  int open = 0;

  DeviceMemory()
      : base(static_cast<std::byte*>(
            mmap(nullptr, kRegion, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    holes[0] = kRegion;
  }
  std::size_t used() const { return blocks.empty() ? 0 : blocks.rbegin()->first + blocks.rbegin()->second; }
  void protect(int how) { mprotect(base, (used() + kPage - 1) / kPage * kPage, how); }
  bool holds(const void* p) const { return p >= base && p < base + kRegion; }

  void* take(std::size_t bytes) {
    bytes = (bytes + 255) / 256 * 256;
    for (auto h = holes.begin(); h != holes.end(); ++h) {
      if (h->second < bytes) continue;
      const auto [at, size] = *h;
      holes.erase(h);
      if (size > bytes) holes[at + bytes] = size - bytes;
      blocks[at] = bytes;
      return base + at;
    }
    return nullptr;
  }
  bool give_back(void* p) {
    const auto found = holds(p) ? blocks.find(std::size_t(static_cast<std::byte*>(p) - base)) : blocks.end();
    if (found == blocks.end()) return false;
    holes[found->first] = found->second;
    blocks.erase(found);
    return true;
  }
};
DeviceMemory& memory() {
  static auto* m = new DeviceMemory;
  return *m;
}

// While it lives, this thread may touch device memory.
struct Open {
  std::lock_guard<std::recursive_mutex> lock{memory().mutex};
  Open() {
    if (memory().open++ == 0) memory().protect(PROT_READ | PROT_WRITE);
  }
  ~Open() {
    if (--memory().open == 0) memory().protect(PROT_NONE);
  }
};

int device_count() {
  const char* text = std::getenv("TAPIR_DOUBLE_DEVICES");
  return text ? std::atoi(text) : 2;
}
thread_local int device = 0;

using Notes = std::vector<std::function<void()>>;
struct Stream {
  int device;
  Notes* notes = nullptr;  // what is given to it is noted here
};
int checked(void* stream) {  // work must be given to a stream of the current device
  return stream && static_cast<Stream*>(stream)->device == device ? success : invalid_value;
}
// Done at once, or noted.
int give(void* stream, std::function<void()> work) {
  if (checked(stream) != success) return invalid_value;
  if (Notes* notes = static_cast<Stream*>(stream)->notes) return notes->push_back(std::move(work)), success;
  Open open;
  work();
  return success;
}

int capture_begin(void* stream) {
  if (checked(stream) != success || static_cast<Stream*>(stream)->notes) return invalid_value;
  static_cast<Stream*>(stream)->notes = new Notes;
  return success;
}
int capture_end(void* stream, void** exec) {
  *exec = std::exchange(static_cast<Stream*>(stream)->notes, nullptr);
  return *exec ? success : invalid_value;
}
std::atomic<int> replays{0};
int capture_launch(void* exec, void* stream) {
  if (checked(stream) != success || static_cast<Stream*>(stream)->notes) return invalid_value;
  ++replays;
  Open open;
  for (auto& note : *static_cast<Notes*>(exec)) note();
  return success;
}
int synchronize(void* stream) {
  constexpr int unsupported_in_capture = 900;
  return stream && static_cast<Stream*>(stream)->notes ? unsupported_in_capture : checked(stream);
}

int memcpy_async(void* to, const void* from, std::size_t bytes, int kind, void* stream) {
  const bool to_device = memory().holds(to), from_device = memory().holds(from);
  const int is = to_device ? (from_device ? device_to_device : host_to_device) : from_device ? device_to_host : 0;
  if (is != kind) return invalid_value;
  return give(stream, [=] { std::memcpy(to, from, bytes); });
}
int memset_async(void* to, int value, std::size_t bytes, void* stream) {
  if (!memory().holds(to)) return invalid_value;
  return give(stream, [=] { std::memset(to, value, bytes); });
}
int malloc_bytes(void** block, std::size_t bytes) {
  std::lock_guard lock(memory().mutex);
  *block = memory().take(bytes);
  return *block ? success : out_of_memory;
}
int free_block(void* block) {
  std::lock_guard lock(memory().mutex);
  return memory().give_back(block) ? success : invalid_value;
}

// Column-major, as cuBLAS has it: c = alpha op(a) op(b) + beta c.
double element(const void* p, std::int64_t i, int type) {
  switch (type) {
    case blas_f64:
      return static_cast<const double*>(p)[i];
    case blas_f16:
      return float(static_cast<const float16*>(p)[i]);
    case blas_bf16:
      return float(static_cast<const bfloat16*>(p)[i]);
    default:
      return static_cast<const float*>(p)[i];
  }
}
void put(void* p, std::int64_t i, int type, double v) {
  if (type == blas_f64) static_cast<double*>(p)[i] = v;
  else if (type == blas_f16) static_cast<float16*>(p)[i] = float16(float(v));
  else if (type == blas_bf16) static_cast<bfloat16*>(p)[i] = bfloat16(float(v));
  else static_cast<float*>(p)[i] = float(v);
}

struct BlasHandle {
  void* stream = nullptr;
};

int gemm(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, const void* a, int type_a, int lda,
         long long stride_a, const void* b, int type_b, int ldb, long long stride_b, const void* beta, void* c,
         int type_c, int ldc, long long stride_c, int count, int compute, int) {
  if (!handle) return invalid_value;
  if (lda < (op_a ? k : m) || ldb < (op_b ? n : k) || ldc < m) return 7;  // CUBLAS_STATUS_INVALID_VALUE
  if (!memory().holds(a) || !memory().holds(b) || !memory().holds(c)) return 7;
  const bool wide = compute == compute_f64;
  const double scale = wide ? *static_cast<const double*>(alpha) : *static_cast<const float*>(alpha);
  const double keep = wide ? *static_cast<const double*>(beta) : *static_cast<const float*>(beta);
  return give(static_cast<BlasHandle*>(handle)->stream, [=] {
    for (std::int64_t batch = 0; batch < count; ++batch)
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t i = 0; i < m; ++i) {
          double sum = 0;
          for (std::int64_t l = 0; l < k; ++l)
            sum += element(a, batch * stride_a + (op_a ? l + i * lda : i + l * lda), type_a) *
                   element(b, batch * stride_b + (op_b ? j + l * ldb : l + j * ldb), type_b);
          const std::int64_t at = batch * stride_c + i + j * ldc;
          put(c, at, type_c, scale * sum + (keep != 0 ? keep * element(c, at, type_c) : 0));
        }
  });
}

const char* text_of(int error) {
  switch (error) {
    case no_device:
      return "no CUDA-capable device is detected";
    case insufficient_driver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case out_of_memory:
      return "out of memory";
    default:
      return "invalid argument";
  }
}

}  // namespace

// For tests: how many calls were replayed so far.
extern "C" [[gnu::visibility("default")]] int tapir_double_replays() { return replays; }

const Runtime& runtime() {
  static const Runtime double_of = {
      .get_device_count =
          [](int* count) {
            if (device_count() < 0) return insufficient_driver;
            *count = device_count();
            return success;
          },
      .get_device = [](int* d) { return *d = device, success; },
      .set_device = [](int d) { return d < 0 || d >= device_count() ? invalid_value : (device = d, success); },
      .malloc = malloc_bytes,
      .free = free_block,
      .memcpy_async = memcpy_async,
      .memset_async = memset_async,
      .stream_create = [](void** stream, unsigned) { return *stream = new Stream{device}, success; },
      .stream_synchronize = synchronize,
      .get_last_error = [] { return success; },
      .capture_begin = capture_begin,
      .capture_end = capture_end,
      .capture_launch = capture_launch,
      .capture_destroy = [](void* exec) { return delete static_cast<Notes*>(exec), success; },
      .get_error_string = text_of,
      .load_blas = []() -> const char* { return nullptr; },
      .blas_create = [](void** handle) { return *handle = new BlasHandle, success; },
      .blas_set_stream = [](void* handle,
                            void* stream) { return static_cast<BlasHandle*>(handle)->stream = stream, success; },
      .blas_gemm_strided_batched_ex = gemm,
      .on_device =
          [](void (*kernel)(void*), const void* context, std::size_t bytes, void* stream) {
            // A copy, as a GPU gets the bytes of arguments.
            auto copy = std::make_shared<std::vector<std::max_align_t>>(bytes / sizeof(std::max_align_t) + 1);
            std::memcpy(copy->data(), context, bytes);
            check(give(stream, [=] { kernel(copy->data()); }), "launch");
          },
  };
  return double_of;
}

}  // namespace tapir::cuda
