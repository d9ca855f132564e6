// What a kernel cannot compute (an index out of range) it tells in a word of device memory; whoever next waits for the
// device throws it. The kernel itself goes on with an index that is in range.
#pragma once
#include <tapir/tensor/host_device.h>

#include <cstdint>

namespace tapir::cuda {

struct Fault {
  enum Kind : std::int32_t { none, index, id, label };
  std::int32_t kind;
  const char* op;  // in host memory; never read on the device
  std::int64_t value, size;
};

/// The word of the current device, for a kernel that is about to be launched.
Fault* fault_word();
/// Throws UsageError if a kernel has told of a fault since the last call. The stream is idle.
void throw_faults();

/// Tells of the first fault; threads may race for it, and one of them wins.
TAPIR_HD inline void report(Fault* word, Fault::Kind kind, const char* op, std::int64_t value, std::int64_t size) {
  if (word->kind != Fault::none) return;
  word->op = op, word->value = value, word->size = size, word->kind = kind;
}

/// `i` in [-n, n) as a place in [0, n); 0 and a fault for others.
TAPIR_HD inline std::int64_t place_of(std::int64_t i, std::int64_t n, Fault* word, const char* op) {
  if (i >= -n && i < n) return i < 0 ? i + n : i;
  report(word, Fault::index, op, i, n);
  return 0;
}

}  // namespace tapir::cuda
