// Moving tensors between devices: a row, so that gradients find the way back.
#include <tapir/ops/shaping.h>
#include <tapir/tensor/cuda_module.h>

namespace tapir {
namespace {

struct DeviceAttrs {
  Backend backend = Backend::cpu;
  int index = 0;
  template <class V>
  void visit(V&& v) {
    v("backend", backend), v("index", index);
  }
  Device device() const { return {backend, std::int16_t(index)}; }
};

const OpDef to_device_op = {
    .name = "to_device",
    .infer =
        [](Inputs in, Attrs, Specs& out) {
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors { return {dy[0].to(n.in(0).device())}; },
    .make = [](Inputs in, Attrs a) -> Tensors {
      return {detail::copied_to(contiguous(in[0]), a.as<DeviceAttrs>().device())};
    },
    .attrs = &attrs_type<DeviceAttrs>,
};

}  // namespace

Tensor Tensor::to(Device device, Where w) const {
  CallSite site(w);
  if (device == this->device()) return *this;
  if (!has_data())
    throw UsageError("to: a traced function is on one device, " + this->device().str() +
                     "; it cannot move a value to " + device.str() +
                     ". Move it before the call, or return it and move it then.");
  if (device.backend != Backend::cpu) detail::cuda_module(device, "to");
  return apply_all(to_device_op, {*this}, DeviceAttrs{device.backend, device.index}, w)[0];
}

void list_transfer(std::vector<const OpDef*>& out) { out.push_back(&to_device_op); }

}  // namespace tapir
