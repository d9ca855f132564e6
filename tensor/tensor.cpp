// Making, viewing and reading tensors. No arithmetic here.
#include <tapir/tensor/convert.h>
#include <tapir/tensor/cuda_module.h>
#include <tapir/tensor/device_scope.h>
#include <tapir/tensor/md_view.h>
#include <tapir/tensor/tensor.h>

#include <cstring>
#include <limits>

namespace tapir {
namespace detail {
namespace {

// Freed headers wait in a list of their thread for its next tensor; the link lies in the freed header. No destructor,
// so that reaching it takes no check; `Cleaner` empties it when the thread ends.
struct FreeList {
  struct Link {
    Link* next;
  };
  static constexpr int max_kept = 256;
  Link* head;
  int count;
  bool cleaned, dead;
  void* take(std::size_t bytes) {
    if (!head) return ::operator new(bytes);
    --count;
    return std::exchange(head, head->next);
  }
  void give(void* p);
  void clear() {
    dead = true;
    while (head) ::operator delete(std::exchange(head, head->next));
  }
};
[[gnu::tls_model("initial-exec")]] thread_local constinit FreeList impls{}, storages{};
struct Cleaner {
  bool armed = false;
  ~Cleaner() { impls.clear(), storages.clear(); }
};
thread_local Cleaner cleaner;
void FreeList::give(void* p) {
  if (!cleaned) cleaned = cleaner.armed = true;  // its destructor is now due
  if (count >= max_kept || dead) return ::operator delete(p);
  head = new (p) Link{head};
  ++count;
}

std::atomic<std::uint64_t> next_id_block{1};
constexpr std::uint64_t kIdsPerBlock = 1 << 20;
[[gnu::tls_model("initial-exec")]] thread_local constinit std::uint64_t id_next = 0, id_end = 0;

}  // namespace

std::uint64_t next_id() {
  if (id_next == id_end) {
    id_next = next_id_block.fetch_add(kIdsPerBlock, std::memory_order_relaxed);
    id_end = id_next + kIdsPerBlock;
  }
  return id_next++;
}

TensorImpl* new_impl() {
  auto* impl = new (impls.take(sizeof(TensorImpl))) TensorImpl;
  impl->id = next_id();
  return impl;
}

void delete_impl(TensorImpl* impl) noexcept {
  if (impl->storage) drop(impl->storage);
  impls.give(impl);
}

Storage* new_storage(std::size_t bytes) {
  void* data = allocate_bytes(bytes);
  auto* s = new (storages.take(sizeof(Storage))) Storage;
  s->data = static_cast<std::byte*>(data);
  s->bytes = bytes;
  s->release = [](Storage* self) noexcept { free_bytes(self->data, self->bytes); };
  return s;
}

void delete_storage(Storage* s) noexcept {
  if (s->release) s->release(s);
  storages.give(s);
}

}  // namespace detail

using detail::TensorImpl;

[[noreturn]] static void bad_shape(const Shape& shape) {
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] < 0)
      throw ShapeError("shape: negative size " + std::to_string(shape[i]) + " of axis " + std::to_string(i) + ".");
  throw ShapeError("shape: " + shape.str() + " is too large to have in memory.");
}

static TensorImpl* contiguous_impl(const Shape& shape, DType dtype, Device device) {
  std::int64_t n = 1;
  for (auto d : shape)
    if (d < 0 || __builtin_mul_overflow(n, d, &n) || n > std::numeric_limits<std::int64_t>::max() / 16)
      bad_shape(shape);
  TensorImpl* impl = detail::new_impl();
  impl->dtype = dtype;
  impl->device = device;
  impl->shape = shape;
  fill_strides(shape, impl->strides);
  impl->size = n;
  return impl;
}

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  Tensor t = adopt(contiguous_impl(shape, dtype, device));
  std::size_t bytes = std::size_t(t.impl_->size) * size_of(dtype);
  if (bytes <= TensorImpl::small_bytes && device.backend == Backend::cpu) {
    t.impl_->data = t.impl_->small;
  } else if (bytes) {
    t.impl_->storage = detail::new_storage(bytes, device);
    t.impl_->data = t.impl_->storage->data;
  }
  return t;
}

Tensor Tensor::only_spec(const Shape& shape, DType dtype, Device device) {
  return adopt(contiguous_impl(shape, dtype, device));
}

Tensor Tensor::view_as(const Shape& shape, const Shape& strides, std::int64_t offset) const {
  const TensorImpl& from = get();
  TensorImpl* impl = detail::new_impl();
  impl->dtype = from.dtype;
  impl->device = from.device;
  impl->shape = shape;
  impl->strides = strides;
  impl->size = shape.size();
  std::int64_t expected = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    if (shape[i] != 1 && strides[i] != expected) impl->contiguous = false;
    expected *= shape[i];
  }
  if (impl->size == 0) impl->contiguous = true;
  std::ptrdiff_t bytes = std::ptrdiff_t(offset) * std::ptrdiff_t(size_of(from.dtype));
  if (from.storage) {
    detail::retain(from.storage);
    impl->storage = from.storage;
    impl->data = from.data + bytes;
  } else if (from.data) {  // a small value travels with its header
    std::memcpy(impl->small, from.small, TensorImpl::small_bytes);
    impl->data = impl->small + (from.data - from.small) + bytes;
  }
  return adopt(impl);
}

Tensor Tensor::alias() const { return view_as(shape(), strides()); }

Tensor Tensor::from_external(void* data, const Shape& shape, DType dtype, void (*release)(void*), void* context,
                             Where where) {
  CallSite site(where);
  if (!data && shape.size() != 0) throw UsageError("from_external: the pointer is null.");
  Tensor t = only_spec(shape, dtype);
  auto* s = new detail::Storage;
  struct Owner {
    void (*release)(void*);
    void* context;
  };
  s->data = static_cast<std::byte*>(data);
  s->bytes = std::size_t(t.size()) * size_of(dtype);
  s->context = new Owner{release, context};
  s->release = [](detail::Storage* self) noexcept {
    auto* owner = static_cast<Owner*>(self->context);
    if (owner->release) owner->release(owner->context);
    delete owner;
  };
  t.impl_->storage = s;
  t.impl_->data = s->data;
  return t;
}

Tensor Tensor::copy_of(const void* data, std::size_t count, const Shape& shape, DType dtype, Where where) {
  CallSite site(where);
  Tensor t = empty(shape, dtype);
  if (count != std::size_t(-1) && count != std::size_t(t.size()))
    throw ShapeError("from_memory: " + std::to_string(count) + " values do not fill shape " + shape.str() + " (" +
                     std::to_string(t.size()) + " elements).");
  if (t.size() && !data) throw UsageError("from_memory: the pointer is null.");
  if (t.size()) std::memcpy(t.impl_->data, data, std::size_t(t.size()) * size_of(dtype));
  return detail::copied_to(t, default_device());
}

Tensor detail::copied_to(const Tensor& t, Device device) {
  if (t.device() == device) return t;
  // All memory between the first element and the last, which of a view may be more than its elements.
  std::int64_t first = 0, last = 0;
  for (int i = 0; i < t.rank(); ++i) (t.strides()[i] < 0 ? first : last) += t.strides()[i] * (t.shape()[i] - 1);
  const auto item = std::int64_t(size_of(t.dtype()));
  Tensor all = Tensor::empty({t.size() ? last - first + 1 : 0}, t.dtype(), device);
  if (t.size()) {
    const Device there = device.backend == Backend::cpu ? t.device() : device;
    cuda_module(there, "to")
        .copy(all.mutable_data<std::byte>(), device, t.data<std::byte>() + first * item, t.device(),
              std::size_t(all.size() * item));
  }
  return all.view_as(t.shape(), t.strides(), -first);
}

template <class T>
static Tensor make_weak(T v, DType dtype) {
  Tensor t = Tensor::empty({}, dtype);
  *t.mutable_data<T>() = v;
  t.impl()->weak = true;
  return t;
}
Tensor Tensor::weak_scalar(double v) { return make_weak(v, DType::f64); }
Tensor Tensor::weak_scalar(std::int64_t v) { return make_weak(v, DType::i64); }
Tensor Tensor::weak_scalar(bool v) { return make_weak(v, DType::boolean); }

std::uint64_t& detail::sizes_asked() {
  static thread_local std::uint64_t count = 0;
  return count;
}

std::int64_t Tensor::shape(int axis, Where where) const {
  if (!CallSite::current()) ++detail::sizes_asked();
  int r = rank();
  if (axis < -r || axis >= r) {
    CallSite site(where);
    throw ShapeError("shape: axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(r) + " (" +
                     shape().str() + ").");
  }
  return shape().dim(axis);
}

void Tensor::undefined(const Where& where) {
  CallSite site(where);
  throw UsageError(
      "tensor: it is undefined and holds no value. A gradient of something unconnected is undefined; "
      "pass {.unconnected = UnconnectedGradients::zero} to get zeros.");
}

static void need_value(const Tensor& t, const char* what) {
  if (!t.has_data())
    throw UsageError(std::string(what) +
                     ": this tensor has no value yet, it is being traced by function(). Use cond() or while_loop() "
                     "instead of a C++ `if`, and print() to look at it.");
}

void Tensor::check_item(const Where& where) const {
  CallSite site(where);
  if (size() != 1)
    throw UsageError("item: needs exactly one element, but the tensor has shape " + shape().str() +
                     ". Use to_vector<T>(), or index it first.");
  need_value(*this, "item");
}

static void need_dtype(const Tensor& t, DType asked, const char* what) {
  if (asked != t.dtype())
    throw DTypeError(std::string(what) + ": the tensor holds " + name_of(t.dtype()) + ", not " + name_of(asked) +
                     ". Cast it first: x.astype(DType::" + (asked == DType::boolean ? "boolean" : name_of(asked)) +
                     ").");
}

static void need_cpu(const Tensor& t, const char* what) {
  if (t.device().backend != Backend::cpu)
    throw DeviceError(std::string(what) + ": the elements are on " + t.device().str() +
                      ". Bring them here first: x.to(Device::cpu()).");
}

void Tensor::check_element_type(DType asked, const char* what, bool contiguous, const Where& where) const {
  CallSite site(where);
  need_dtype(*this, asked, what);
  need_value(*this, what);
  if (contiguous) need_cpu(*this, what);
  if (contiguous && !is_contiguous())
    throw UsageError(std::string(what) + ": the tensor is a strided view (shape " + shape().str() + ", strides " +
                     strides().str() + "). Call contiguous(x) first.");
}

void detail::check_viewable(const char* what, const Tensor& x, DType asked, int rank, const Where& where) {
  CallSite site(where);
  need_dtype(x, asked, what);
  if (x.rank() != rank)
    throw ShapeError(std::string(what) + ": needs a tensor of rank " + std::to_string(rank) + ", got shape " +
                     x.shape().str() + ".");
  need_value(x, what);
  need_cpu(x, what);
}

void Tensor::read(void* out, DType as) const {
  if (device().backend != Backend::cpu) return detail::copied_to(*this, Device::cpu()).read(out, as);
  detail::copy_strided(data<std::byte>(), dtype(), shape(), strides(), out, as);
}

}  // namespace tapir
