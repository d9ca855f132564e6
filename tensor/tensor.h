// Tensor: a handle to an immutable value. Operations on it live in ops/.
#pragma once
#include <tapir/tensor/allocator.h>
#include <tapir/tensor/device.h>
#include <tapir/tensor/dtype.h>
#include <tapir/tensor/error.h>
#include <tapir/tensor/shape.h>
#include <tapir/tensor/storage.h>

#include <concepts>
#include <utility>

namespace tapir {

class Tensor;
class Index;

/// A C++ type that can be an element or a literal.
template <class T>
concept Number = std::is_arithmetic_v<T> || std::same_as<T, float16> || std::same_as<T, bfloat16>;

/// Shape and dtype without a value. `unknown` dimensions are allowed where a function's signature is given.
struct TensorSpec {
  Shape shape;
  DType dtype = DType::f32;
  TensorSpec() = default;
  TensorSpec(const Shape& s, DType d = DType::f32) : shape(s), dtype(d) {}
  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

namespace detail {

/// What a Tensor points to. Values of up to `small_bytes` live inside it; others in a Storage.
struct TensorImpl {
  static constexpr std::size_t small_bytes = 64;
  std::atomic<int> owners{1};
  DType dtype = DType::f32;
  bool weak = false;  // made from a C++ number: takes the dtype of its partner
  bool contiguous = true;
  Device device;
  std::uint64_t id = 0;        // unique in the process; what tapes and traces know a value by
  std::byte* data = nullptr;   // the first element; null where there is only a spec (a trace, a dropped value)
  Storage* storage = nullptr;  // null: the value is in `small`, or there is none
  std::int64_t size = 1;
  Shape shape, strides;
  alignas(16) std::byte small[small_bytes];
};

TensorImpl* new_impl();
void delete_impl(TensorImpl* impl) noexcept;
std::uint64_t next_id();
/// Counts the times that this thread's program, and not the library, asked for one size of a tensor: `x.shape(0)`.
std::uint64_t& sizes_asked();
/// Stands for an index that was not given.
const Index& no_index();

}  // namespace detail

/// An immutable n-dimensional array: dtype, shape, strides, device. Copying a Tensor copies a reference; slices,
/// transposes and broadcasts share memory. Safe to read from many threads.
class Tensor {
 public:
  /// Undefined: holds no value, `defined()` is false.
  Tensor() = default;
  Tensor(const Tensor& t) : impl_(t.impl_) {
    if (impl_) impl_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Tensor(Tensor&& t) noexcept : impl_(std::exchange(t.impl_, nullptr)) {}
  Tensor& operator=(const Tensor& t) {
    Tensor copy(t);
    std::swap(impl_, copy.impl_);
    return *this;
  }
  Tensor& operator=(Tensor&& t) noexcept {
    std::swap(impl_, t.impl_);
    return *this;
  }
  ~Tensor() {
    if (impl_ && impl_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) detail::delete_impl(impl_);
  }
  /// A scalar that takes the dtype of what it is combined with, as a literal in `x * 2.0` does.
  template <Number T>
  explicit Tensor(T number);

  /// From the caller's memory, row-major, without a copy: `release(context)` runs when the last user is gone.
  static Tensor from_external(void* data, const Shape& shape, DType dtype, void (*release)(void*), void* context,
                              Where where = Where::current());
  /// From the caller's memory, row-major, by copy.
  template <Number T>
  static Tensor from_memory(const T* data, const Shape& shape, Where where = Where::current());
  /// As `from_memory`; the span must hold `shape.size()` elements, else ShapeError. Rank 1 without a shape.
  template <Number T>
  static Tensor from_span(std::span<const T> values, const Shape& shape, Where where = Where::current());
  template <Number T>
  static Tensor from_vector(const std::vector<T>& values, const Shape& shape, Where where = Where::current());
  template <Number T>
  static Tensor from_vector(const std::vector<T>& values, Where where = Where::current()) {
    return from_vector(values, Shape{std::int64_t(values.size())}, where);
  }

  // There is no conversion to bool: it would make `!x` and `a && b`, which are elementwise, ambiguous.
  bool defined() const { return impl_ != nullptr; }
  // All that follow throw UsageError for an undefined tensor.
  DType dtype(Where where = Where::current()) const { return get(where).dtype; }
  const Shape& shape(Where where = Where::current()) const { return get(where).shape; }
  /// The size of one dimension; negative counts from the end. Throws ShapeError.
  std::int64_t shape(int axis, Where where = Where::current()) const;
  int rank(Where where = Where::current()) const { return get(where).shape.rank(); }
  /// The number of elements.
  std::int64_t size(Where where = Where::current()) const { return get(where).size; }
  /// In elements, not bytes.
  const Shape& strides(Where where = Where::current()) const { return get(where).strides; }
  Device device(Where where = Where::current()) const { return get(where).device; }
  TensorSpec spec(Where where = Where::current()) const { return {get(where).shape, get(where).dtype}; }
  bool is_contiguous(Where where = Where::current()) const { return get(where).contiguous; }
  bool is_weak() const { return get().weak; }

  /// The only element, converted to T. Throws UsageError if there is not exactly one.
  template <Number T>
  T item(Where where = Where::current()) const;
  /// All elements in row-major order. Throws DTypeError unless T is the tensor's own element type.
  template <Number T>
  std::vector<T> to_vector(Where where = Where::current()) const;
  /// The elements of a contiguous tensor, without a copy. Throws DTypeError, or UsageError if it is not contiguous
  /// (call `contiguous(x)` first). Valid as long as some Tensor holds the value.
  template <Number T>
  std::span<const T> view(Where where = Where::current()) const;

  // Defined in ops/; here so that they read as in NumPy.
  /// The same values as another dtype; see tapir::astype.
  Tensor astype(DType dtype, Where where = Where::current()) const;
  /// The same values on another device; gradients come back the same way. Throws DeviceError if it is not there, and
  /// from a CUDA device also what its kernels found wrong (an index out of range), once it is waited for.
  Tensor to(Device device, Where where = Where::current()) const;
  /// NumPy's basic and advanced indexing, `x[0]`, `x(0, Slice(1, 5), ellipsis)`; see ops/index.h.
  Tensor operator[](const Index& index) const;
  Tensor operator()(const Index& i0, const Index& i1 = detail::no_index(), const Index& i2 = detail::no_index(),
                    const Index& i3 = detail::no_index(), const Index& i4 = detail::no_index(),
                    const Index& i5 = detail::no_index(), const Index& i6 = detail::no_index(),
                    const Index& i7 = detail::no_index()) const;

  /// For printing into strings: what `operator<<` writes.
  std::string str(Where where = Where::current()) const;

  // For operations and backends.
  static Tensor adopt(detail::TensorImpl* impl) {
    Tensor t;
    t.impl_ = impl;
    return t;
  }
  /// Uninitialised memory, contiguous. Throws ShapeError for negative or too large sizes, OutOfMemoryError.
  static Tensor empty(const Shape& shape, DType dtype, Device device = {});
  /// Shape and dtype only.
  static Tensor only_spec(const Shape& shape, DType dtype, Device device = {});
  /// The same memory seen with another shape and strides; `offset` in elements.
  Tensor view_as(const Shape& shape, const Shape& strides, std::int64_t offset = 0) const;
  /// The same value under an identity of its own.
  Tensor alias() const;
  std::uint64_t id() const { return impl_ ? impl_->id : 0; }
  detail::TensorImpl* impl() const { return impl_; }
  bool has_data() const { return get().data != nullptr || get().size == 0; }
  template <class T>
  const T* data() const {
    return reinterpret_cast<const T*>(get().data);
  }
  template <class T>
  T* mutable_data() const {
    return reinterpret_cast<T*>(get().data);
  }

 private:
  const detail::TensorImpl& get(const Where& where = {}) const {
    if (!impl_) undefined(where);
    return *impl_;
  }
  [[noreturn]] static void undefined(const Where& where);
  static Tensor weak_scalar(double v);
  static Tensor weak_scalar(std::int64_t v);
  static Tensor weak_scalar(bool v);
  static Tensor copy_of(const void* data, std::size_t count, const Shape& shape, DType dtype, Where where);
  void read(void* out, DType as) const;  // all elements, row-major, converted
  void check_item(const Where& where) const;
  void check_element_type(DType asked, const char* what, bool contiguous, const Where& where) const;

  detail::TensorImpl* impl_ = nullptr;
};

/// `std::cout << x`: a Tensor, or the value of a Variable, as NumPy would show it, and the line for an error.
struct Shown {
  Tensor tensor;
  Where where;
  template <class T>
  requires std::convertible_to<const T&, Tensor> Shown(const T& t, Where w = Where::current()) : tensor(t), where(w) {}
};
std::ostream& operator<<(std::ostream& os, const Shown& shown);

/// Elements as dense row-major values of type T; what `to_vector` and tests use.
template <Number T>
Tensor::Tensor(T number) {
  if constexpr (std::same_as<T, bool>) *this = weak_scalar(number);
  else if constexpr (std::integral<T>) *this = weak_scalar(std::int64_t(number));
  else *this = weak_scalar(double(number));
}

template <Number T>
Tensor Tensor::from_memory(const T* data, const Shape& shape, Where where) {
  return copy_of(data, std::size_t(-1), shape, dtype_of<T>(), where);
}
template <Number T>
Tensor Tensor::from_span(std::span<const T> values, const Shape& shape, Where where) {
  return copy_of(values.data(), values.size(), shape, dtype_of<T>(), where);
}
template <Number T>
Tensor Tensor::from_vector(const std::vector<T>& values, const Shape& shape, Where where) {
  if constexpr (std::same_as<T, bool>) {
    std::vector<std::uint8_t> bytes(values.begin(), values.end());
    return copy_of(bytes.data(), bytes.size(), shape, DType::boolean, where);
  } else {
    return copy_of(values.data(), values.size(), shape, dtype_of<T>(), where);
  }
}

template <Number T>
T Tensor::item(Where where) const {
  CallSite site(where);
  check_item(where);
  if constexpr (std::same_as<T, float16> || std::same_as<T, bfloat16>) {
    T v;
    read(&v, dtype_of<T>());
    return v;
  } else if constexpr (std::floating_point<T>) {
    double v;
    read(&v, DType::f64);
    return T(v);
  } else {
    std::int64_t v;
    read(&v, DType::i64);
    return T(v);
  }
}

template <Number T>
std::vector<T> Tensor::to_vector(Where where) const {
  CallSite site(where);
  check_element_type(dtype_of<T>(), "to_vector", false, where);
  if constexpr (std::same_as<T, bool>) {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size()));
    read(bytes.data(), DType::boolean);
    return {bytes.begin(), bytes.end()};
  } else {
    std::vector<T> out(static_cast<std::size_t>(size()));
    read(out.data(), dtype_of<T>());
    return out;
  }
}

template <Number T>
std::span<const T> Tensor::view(Where where) const {
  check_element_type(dtype_of<T>(), "view", true, where);
  return {data<T>(), std::size_t(size())};
}

}  // namespace tapir
