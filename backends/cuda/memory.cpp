#include <tapir/backends/cuda/capture.h>
#include <tapir/backends/cuda/fault.h>
#include <tapir/backends/cuda/memory.h>
#include <tapir/backends/cuda/runtime.h>
#include <tapir/backends/cuda/scratch.h>
#include <tapir/tensor/error.h>

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace tapir::cuda {
namespace {

constexpr std::size_t kAlign = 512;

// A quarter of a power of two, at least `kAlign`: what is freed fits what is asked for next time.
std::size_t rounded(std::size_t bytes) {
  bytes = std::max(bytes, kAlign);
  const std::size_t step = std::max(std::bit_floor(bytes) / 4, kAlign);
  return (bytes + step - 1) / step * step;
}

struct DeviceState {
  std::recursive_mutex mutex;
  std::map<std::size_t, std::vector<void*>> free_blocks;
  MemoryStats stats;
  void* stream = nullptr;
  Fault* fault = nullptr;
  bool may_fault = false;
};

// Never destroyed: tensors may outlive every static, and the driver.
DeviceState& state_of(int device) {
  static std::mutex mutex;
  static auto* all = new std::map<int, DeviceState>;
  std::lock_guard lock(mutex);
  return (*all)[device];
}
DeviceState& state() { return state_of(current_device()); }

void release(DeviceState& s) {
  for (auto& [bytes, blocks] : s.free_blocks)
    for (void* block : blocks) {
      runtime().free(block);
      s.stats.cached -= bytes;
    }
  s.free_blocks.clear();
}

// A block that this capture gave back before; null if there is none.
void* from_capture(Capture& c, std::size_t bytes) {
  auto found = c.given_back.find(bytes);
  if (found == c.given_back.end() || found->second.empty()) return nullptr;
  void* block = found->second.back();
  found->second.pop_back();
  return block;
}

[[noreturn]] void refuse(const DeviceState& s, std::size_t bytes, const char* why) {
  throw OutOfMemoryError("allocate: " + std::to_string(bytes) + " bytes " + why + " (" +
                         std::to_string(s.stats.in_use) + " in use, limit " + std::to_string(s.stats.limit) +
                         "). Use smaller batches, or set_memory_limit().");
}

}  // namespace

void check(int error, const char* what) {
  if (error == success) return;
  throw DeviceError(std::string(what) + ": CUDA says: " + runtime().get_error_string(error) + ".");
}

int device_count(std::string* why) {
  struct Found {
    int count = 0;
    std::string why;
  };
  static const Found found = [] {
    Found f;
    const int error = runtime().get_device_count(&f.count);
    if (error != success) {
      f.count = 0;
      f.why = std::string("no NVIDIA driver answers, or it is too old for this build (CUDA says: ") +
              runtime().get_error_string(error) + "). Use Device::cpu()";
    } else if (f.count == 0) {
      f.why = "this machine has no CUDA device. Use Device::cpu()";
    }
    return f;
  }();
  if (why) *why = found.why;
  return found.count;
}

int current_device() {
  int device = 0;
  check(runtime().get_device(&device), "device");
  return device;
}

void use(Device device) {
  if (current_device() != device.index) check(runtime().set_device(device.index), "device");
}

void* stream() {
  if (capturing()) return capturing()->stream;
  DeviceState& s = state();
  std::lock_guard lock(s.mutex);
  constexpr unsigned non_blocking = 1;
  if (!s.stream) check(runtime().stream_create(&s.stream, non_blocking), "stream");
  return s.stream;
}

void* allocate(std::size_t asked) {
  DeviceState& s = state();
  std::lock_guard lock(s.mutex);
  const std::size_t bytes = rounded(asked);
  Capture* capture = capturing();
  if (void* kept = capture ? from_capture(*capture, bytes) : nullptr) return kept;
  if (s.stats.limit && s.stats.in_use + bytes > s.stats.limit) refuse(s, asked, "would exceed the memory limit");
  void* block = nullptr;
  if (auto found = s.free_blocks.find(bytes); found != s.free_blocks.end() && !found->second.empty()) {
    block = found->second.back();
    found->second.pop_back();
    s.stats.cached -= bytes;
    ++s.stats.cache_hits;
  } else {
    int error = runtime().malloc(&block, bytes);
    if (error == out_of_memory) {
      runtime().get_last_error();
      release(s);
      error = runtime().malloc(&block, bytes);
    }
    if (error == out_of_memory) {
      runtime().get_last_error();
      refuse(s, asked, "are not free on the device");
    }
    check(error, "allocate");
  }
  ++s.stats.allocations;
  s.stats.in_use += bytes;
  s.stats.peak = std::max(s.stats.peak, s.stats.in_use);
  if (capture) capture->taken[block] = bytes;
  return block;
}

void free(void* block, std::size_t asked, int device) noexcept {
  DeviceState& s = state_of(device);
  std::lock_guard lock(s.mutex);
  const std::size_t bytes = rounded(asked);
  if (Capture* c = capturing(); c && c->taken.contains(block)) return c->given_back[bytes].push_back(block);
  s.stats.in_use -= bytes;
  try {
    s.free_blocks[bytes].push_back(block);
    s.stats.cached += bytes;
  } catch (...) {  // no memory to remember it by
    runtime().free(block);
  }
}

tapir::detail::Storage* new_storage(std::size_t bytes, Device device) {
  use(device);
  void* block = allocate(bytes);
  auto* s = new tapir::detail::Storage;
  s->data = static_cast<std::byte*>(block);
  s->bytes = bytes;
  s->device = device;
  s->release = [](tapir::detail::Storage* self) noexcept { free(self->data, self->bytes, self->device.index); };
  return s;
}

void copy(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  if (from_device != to_device) refuse_in_capture("copy");
  const bool up = from_device.backend == Backend::cpu, down = to_device.backend == Backend::cpu;
  if (!up && !down && from_device != to_device) synchronize(from_device);  // what makes it runs in another stream
  use(up ? to_device : down ? from_device : to_device);
  const int kind = up ? host_to_device : down ? device_to_host : device_to_device;
  if (bytes) check(runtime().memcpy_async(to, from, bytes, kind, stream()), "copy");
  if (down) synchronize(from_device);
}

void synchronize(Device device) {
  refuse_in_capture("synchronize");
  use(device);
  check(runtime().stream_synchronize(stream()), "synchronize");
  throw_faults();
}

MemoryStats stats(Device device) {
  DeviceState& s = state_of(device.index);
  std::lock_guard lock(s.mutex);
  return s.stats;
}
void set_limit(Device device, std::size_t bytes) {
  DeviceState& s = state_of(device.index);
  std::lock_guard lock(s.mutex);
  s.stats.limit = bytes;
}
void release_cached(Device device) {
  synchronize(device);
  DeviceState& s = state_of(device.index);
  std::lock_guard lock(s.mutex);
  release(s);
}

Fault* fault_word() {
  DeviceState& s = state();
  std::lock_guard lock(s.mutex);
  Capture* capture = std::exchange(capturing(), nullptr);  // the word is everybody's
  if (!s.fault) {
    void* block = allocate(sizeof(Fault));
    check(runtime().memset_async(block, 0, sizeof(Fault), stream()), "allocate");
    s.fault = static_cast<Fault*>(block);
  }
  capturing() = capture;
  if (capture) capture->faults = true;
  else s.may_fault = true;
  return s.fault;
}

void throw_faults() {
  DeviceState& s = state();
  std::lock_guard lock(s.mutex);
  if (!s.may_fault) return;
  Fault f;
  check(runtime().memcpy_async(&f, s.fault, sizeof f, device_to_host, stream()), "copy");
  check(runtime().stream_synchronize(stream()), "synchronize");
  s.may_fault = false;
  if (f.kind == Fault::none) return;
  check(runtime().memset_async(s.fault, 0, sizeof(Fault), stream()), "copy");
  const std::string value = std::to_string(f.value), size = std::to_string(f.size), op = std::string(f.op) + ": ";
  if (f.kind == Fault::id)
    throw UsageError(op + "id " + value + " is outside [0, " + size +
                     "), the rows of the table. Give ids that are unknown a row of their own, or make the table longer "
                     "(input_dim).");
  if (f.kind == Fault::label) throw UsageError(op + "label " + value + " is out of range for " + size + " classes.");
  throw UsageError(op + "index " + value + " is out of range for size " + size + ".");
}

}  // namespace tapir::cuda
