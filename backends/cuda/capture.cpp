#include <tapir/backends/cuda/capture.h>
#include <tapir/backends/cuda/fault.h>
#include <tapir/backends/cuda/memory.h>
#include <tapir/backends/cuda/runtime.h>
#include <tapir/backends/cuda/scratch.h>
#include <tapir/tensor/error.h>

#include <memory>
#include <mutex>
#include <string>

namespace tapir::cuda {
namespace {

std::mutex& one_at_a_time() {
  static auto* m = new std::mutex;
  return *m;
}

// The streams that captures note in, by device. Guarded by the mutex above.
void* stream_for_notes(int device) {
  static auto* all = new std::map<int, void*>;
  void*& s = (*all)[device];
  constexpr unsigned non_blocking = 1;
  if (!s) check(runtime().stream_create(&s, non_blocking), "stream");
  return s;
}

void give_back(Capture& c) noexcept {
  for (auto& [bytes, blocks] : c.given_back)
    for (void* block : blocks) free(block, bytes, c.device);
}

}  // namespace

Capture*& capturing() {
  static thread_local Capture* mine = nullptr;
  return mine;
}

void refuse_in_capture(const char* what) {
  if (!capturing()) return;
  capturing()->broken = true;
  throw DeviceError(std::string(what) + ": it needs the host, so the call cannot be replayed.");
}

void* begin_capture(Device device) {
  if (capturing() || !one_at_a_time().try_lock()) return nullptr;
  try {
    use(device);
    auto c =
        std::make_unique<Capture>(Capture{device.index, stream_for_notes(device.index), nullptr, false, false, {}, {}});
    check(runtime().capture_begin(c->stream), "capture");
    return capturing() = c.release();
  } catch (...) {
    one_at_a_time().unlock();
    throw;
  }
}

bool end_capture(void* capture, bool keep) {
  auto* c = static_cast<Capture*>(capture);
  capturing() = nullptr;
  const int error = runtime().capture_end(c->stream, &c->exec);
  if (error != success) c->exec = nullptr, runtime().get_last_error();
  one_at_a_time().unlock();
  if (keep && c->exec && !c->broken) return true;
  drop_capture(c);
  return false;
}

void replay(void* capture) {
  const auto* c = static_cast<const Capture*>(capture);
  use(Device::cuda(c->device));
  if (c->faults) fault_word();  // somebody must look at it
  check(runtime().capture_launch(c->exec, stream()), "replay");
}

void drop_capture(void* capture) {
  auto* c = static_cast<Capture*>(capture);
  if (c->exec) runtime().capture_destroy(c->exec);
  give_back(*c);
  delete c;
}

}  // namespace tapir::cuda
