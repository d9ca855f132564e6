// The only door to running an op: check, allocate, run or trace, record.
#include <tapir/ops/call_observer.h>
#include <tapir/ops/shaping.h>
#include <tapir/tensor/cuda_module.h>
#include <tapir/tensor/device_scope.h>

namespace tapir {

Recorder*& recorder() {
  [[gnu::tls_model("initial-exec")]] static thread_local constinit Recorder* top = nullptr;
  return top;
}

namespace {

[[noreturn, gnu::cold]] void undefined_operand(const OpDef& op, std::size_t i) {
  throw UsageError(std::string(op.name) + ": operand " + std::to_string(i) +
                   " is an undefined tensor. A gradient of something unconnected is undefined.");
}
[[noreturn, gnu::cold]] void devices_differ(const OpDef& op, Device a, Device b) {
  throw DeviceError(std::string(op.name) + ": operands are on " + a.str() + " and " + b.str() +
                    ". Move one: x.to(Device::" + (a.backend == Backend::cpu ? "cpu()" : "cuda()") + ").");
}
[[noreturn, gnu::cold]] void no_kernel(const OpDef& op, Device device) {
  if (device.backend == Backend::cpu) throw DeviceError(std::string(op.name) + ": no CPU kernel in this build.");
  throw DeviceError(std::string(op.name) + ": there is no CUDA kernel, " +
                    detail::cuda_module(device, op.name).why_not(op.name) + ". Do it on the CPU: x.to(Device::cpu()).");
}

[[noreturn, gnu::cold]] void valueless_operand(const OpDef& op, std::size_t i) {
  throw UsageError(std::string(op.name) + ": operand " + std::to_string(i) +
                   " has no value, it is from a trace of function() that is over. "
                   "Return it from the function that made it, or keep it in a Variable.");
}
void need_values(const OpDef& op, Inputs in) {
  for (std::size_t i = 0; i < in.size(); ++i)
    if (!in[i].has_data()) valueless_operand(op, i);
}

Device device_of(const OpDef& op, Inputs in) {
  const Tensor* first = nullptr;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Tensor& t = in[i];
    if (!t.defined()) undefined_operand(op, i);
    if (t.is_weak() || op.make) continue;  // control flow takes graphs too, which are on no device
    if (!first) first = &t;
    else if (!(t.device() == first->device())) devices_differ(op, first->device(), t.device());
  }
  return first ? first->device() : default_device();
}

// In the dtype and layout that the row asks for.
void run_adapted(const OpDef& op, Kernel kernel, Inputs in, std::span<const Tensor> out, Attrs attrs, Device device) {
  bool halves = false, strided = false;
  if (op.half_via_f32)
    for (std::size_t i = 0; i < in.size(); ++i) halves |= is_half(in[i].dtype());
  if (op.needs_contiguous)
    for (std::size_t i = 0; i < in.size(); ++i) strided |= !in[i].is_contiguous();
  if (!halves && !strided) return kernel({op, in, out, attrs});

  Recorder* hidden = std::exchange(recorder(), nullptr);  // what follows is not part of the program
  struct Restore {
    Recorder* r;
    ~Restore() { recorder() = r; }
  } restore{hidden};
  Tensors inputs, outputs;
  for (std::size_t i = 0; i < in.size(); ++i) {
    Tensor t = in[i];
    if (halves && is_half(t.dtype())) t = astype(t, DType::f32);
    if (op.needs_contiguous) t = contiguous(t);
    inputs.push_back(t);
  }
  for (auto& o : out)
    outputs.push_back(halves && is_half(o.dtype()) ? Tensor::empty(o.shape(), DType::f32, device) : o);
  auto refs = refs_of(inputs);
  kernel({op, Inputs(refs), outputs, attrs});
  for (std::size_t i = 0; i < out.size(); ++i)
    if (outputs[i].id() != out[i].id()) cast_into(outputs[i], out[i]);
}

}  // namespace

namespace detail {
constinit std::atomic<CallObserver*> call_observer{nullptr};
}

Kernel kernel_for(const OpDef& op, Device device) {
  Kernel kernel = op.kernel[int(device.backend)];
  if (device.backend == Backend::cuda) {
    const detail::CudaModule& cuda = detail::cuda_module(device, op.name);
    cuda.use(device);
    if (!kernel) kernel = cuda.kernel(op.name);
  }
  if (!kernel) no_kernel(op, device);
  return kernel;
}

void run_kernel(const OpDef& op, Inputs in, std::span<const Tensor> out, Attrs attrs, Device device) {
  const Kernel kernel = kernel_for(op, device);
  detail::CallObserver* observer = detail::call_observer.load(std::memory_order_relaxed);
  if (!(op.half_via_f32 | op.needs_contiguous | (observer != nullptr))) return kernel({op, in, out, attrs});
  if (!observer) return run_adapted(op, kernel, in, out, attrs, device);
  observer->kernel({op, in, out, attrs}, [&] { run_adapted(op, kernel, in, out, attrs, device); });
}

Tensors apply_all(const OpDef& op, Inputs in, Attrs attrs, const Where& where) {
  CallSite site(where);
  Device device = device_of(op, in);
  Specs specs;
  op.infer(in, attrs, specs);
  Tensors out;
  Recorder* top = recorder();
  bool traced = false;
  for (Recorder* r = top; r && !traced; r = r->previous)
    traced = r->intercepts && r->intercept(op, in, attrs, specs, out);
  if (!traced) {
    need_values(op, in);
    if (op.view) {
      out.push_back(op.view(in[0], specs[0], attrs));
    } else if (op.make) {
      detail::Span span("control flow", op.name);
      recorder() = nullptr;  // what its graphs do is not part of the program
      struct Restore {
        Recorder* r;
        ~Restore() { recorder() = r; }
      } restore{top};
      out = op.make(in, attrs);
    } else {
      bool any = op.effect;
      for (auto& s : specs) {
        out.push_back(Tensor::empty(s.shape, s.dtype, device));
        any |= out[out.size() - 1].size() != 0;
      }
      if (any) run_kernel(op, in, out, attrs, device);
    }
  }
  if (op.gradient)
    for (Recorder* r = top; r; r = r->previous) r->record(op, in, out, attrs);
  return out;
}

// The common case of one output, with nothing on the heap.
Tensor apply(const OpDef& op, Inputs in, Attrs attrs, const Where& where) {
  CallSite site(where);
  Recorder* top = recorder();
  if (intercepted(top)) return apply_all(op, in, attrs, where)[0];
  Device device = device_of(op, in);
  Specs specs;
  op.infer(in, attrs, specs);
  if (specs.size() != 1 || op.make) return apply_all(op, in, attrs, where)[0];
  need_values(op, in);
  Tensor out;
  if (op.view) {
    out = op.view(in[0], specs[0], attrs);
  } else {
    out = Tensor::empty(specs[0].shape, specs[0].dtype, device);
    if (out.size()) run_kernel(op, in, {&out, 1}, attrs, device);
  }
  if (op.gradient)
    for (Recorder* r = top; r; r = r->previous) r->record(op, in, {&out, 1}, attrs);
  return out;
}

}  // namespace tapir
