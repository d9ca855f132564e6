// Where tensors are made that are made from nothing.
#pragma once
#include <tapir/tensor/device.h>
#include <tapir/tensor/error.h>

namespace tapir {

/// The device of this thread's innermost DeviceScope; the CPU outside of any.
Device default_device();

/// While it lives, what this thread makes from nothing (zeros, full, arange, random numbers, constants, the weights of
/// layers) is made on `device`. Scopes nest. Gradients run in the scope of what they are gradients of. Throws
/// DeviceError if the device is not there.
class DeviceScope {
 public:
  explicit DeviceScope(Device device, Where where = Where::current());
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  Device outer_;
};

}  // namespace tapir
