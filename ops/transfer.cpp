// Moving tensors between devices.
#include <tapir/tensor/tensor.h>

namespace tapir {

Tensor Tensor::to(Device device, Where w) const {
  CallSite site(w);
  if (device == this->device()) return *this;
  throw DeviceError("to: " + device.str() + " is not there; this build has no CUDA backend. Use Device::cpu().");
}

}  // namespace tapir
