// The one place that knows oneDNN's API, 2.6 to 3.x: engine, descriptors, prepared primitives by key.
// Primitives are kept per thread and are keyed by a string of whatever shapes and attributes made them, so that a call
// of a known shape costs a look-up and no creation. All of them run on the calling thread alone, and no thread of
// OpenMP is ever started: work is shared out by parallel_for, whose parts call oneDNN.
#pragma once
#ifdef TAPIR_ONEDNN
#include <oneapi/dnnl/dnnl.hpp>

#include <tapir/tensor/tensor.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tapir::cpu::onednn {

inline constexpr bool is_v3 = DNNL_VERSION_MAJOR >= 3;

/// One CPU engine for the process.
const dnnl::engine& engine();
/// This thread's stream.
const dnnl::stream& stream();

/// Are this set's instructions used? oneDNN asks the CPU, the OS and DNNL_MAX_CPU_ISA.
bool has(dnnl::cpu_isa set);

/// f32, bf16, f16, i32, i8, u8. Throws InternalError for others.
dnnl::memory::data_type type_of(DType dtype);
/// Sizes and strides (in elements) in the order oneDNN wants them: N, C, spatial for images, O, I, spatial for kernels.
dnnl::memory::desc desc_of(const Shape& sizes, const Shape& strides, DType dtype);
/// The layout is left to oneDNN.
dnnl::memory::desc any_layout(const Shape& sizes, DType dtype);
dnnl::memory::dims dims_of(const Shape& shape);

/// Attributes with the scratchpad handed in by us; what every primitive here is made with.
dnnl::primitive_attr attributes(const dnnl::post_ops& after = {});
void append_eltwise(dnnl::post_ops& ops, dnnl::algorithm kind, float alpha, float beta);

/// The primitive_desc of P (convolution_forward, matmul, ...) from the arguments of its operation descriptor.
template <class P, class... A>
typename P::primitive_desc describe(const dnnl::primitive_attr& attr, const A&... a) {
  if constexpr (is_v3) return typename P::primitive_desc(engine(), a..., attr);
  else return typename P::primitive_desc(typename P::desc(a...), attr, engine());
}
/// The same for a backward primitive, which wants the forward one as a hint.
template <class P, class Forward, class... A>
typename P::primitive_desc describe_backward(const Forward& forward, const dnnl::primitive_attr& attr, const A&... a) {
  if constexpr (is_v3) return typename P::primitive_desc(engine(), a..., forward, attr);
  else return typename P::primitive_desc(typename P::desc(a...), attr, engine(), forward);
}

/// Bytes that tell one primitive from another.
class Key {
 public:
  explicit Key(std::string_view op) { *this << op; }
  Key& operator<<(std::string_view s) { return bytes_ += s, bytes_ += '\0', *this; }
  Key& operator<<(const Shape& s) {
    add(s.rank());
    for (auto d : s) add(d);
    return *this;
  }
  template <class T>
  requires(std::is_arithmetic_v<T> || std::is_enum_v<T>) Key& operator<<(T v) { return add(v), *this; }
  const std::string& bytes() const { return bytes_; }

 private:
  template <class T>
  void add(const T& v) {
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof v);
  }
  std::string bytes_;
};

/// A primitive and the descriptors of its arguments (DNNL_ARG_SRC, ...).
struct Recipe {
  dnnl::primitive primitive;
  dnnl::memory::desc scratchpad;
  std::vector<std::pair<int, dnnl::memory::desc>> arguments;
};
template <class Description>
Recipe recipe(const Description& d, std::vector<std::pair<int, dnnl::memory::desc>> arguments) {
  return {dnnl::primitive(d.get()), d.scratchpad_desc(), std::move(arguments)};
}

/// Ready to run on the thread that made it.
class Prepared {
 public:
  explicit Prepared(const Recipe& r);
  struct Argument {
    int which;
    const void* data;
  };
  /// Every argument of the recipe must be given. Scratch memory comes from tapir's allocator.
  void run(std::initializer_list<Argument> arguments);
  /// The layout of one argument, for reorders.
  dnnl::memory::desc desc(int which) const;

 private:
  dnnl::memory& memory(int which);
  dnnl::primitive primitive_;
  std::size_t scratch_bytes_ = 0;
  dnnl::memory scratch_;
  std::vector<std::pair<int, dnnl::memory>> memories_;
};

/// The primitive of `key` on this thread, made by `make()` (which returns a Recipe) where it is not known. Up to 256
/// are kept per thread, the longest unused goes first. oneDNN's errors come out as InternalError.
template <class Make>
std::shared_ptr<Prepared> prepared(const Key& key, Make&& make);
/// Copies between layouts.
void reorder(const dnnl::memory::desc& from, const void* data, const dnnl::memory::desc& to, void* out);

/// Row-major C[m, n] = op(A) op(B), of bf16 numbers summed in f32; lda and the like as below.
void bf16_gemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const bfloat16* a,
               std::int64_t lda, const bfloat16* b, std::int64_t ldb, float* c, std::int64_t ldc);
/// Row-major C[m, n] = op(A) op(B) + beta * C; lda and the like are the distances between rows as stored.
void sgemm(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
           std::int64_t lda, const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc);

namespace detail {
std::shared_ptr<Prepared> find(const Key& key);
std::shared_ptr<Prepared> keep(const Key& key, Recipe (*make)(void*), void* context);
}  // namespace detail

template <class Make>
std::shared_ptr<Prepared> prepared(const Key& key, Make&& make) {
  if (auto known = detail::find(key)) return known;
  using M = std::remove_reference_t<Make>;
  return detail::keep(
      key, [](void* m) { return (*static_cast<M*>(m))(); }, const_cast<void*>(static_cast<const void*>(&make)));
}

}  // namespace tapir::cpu::onednn
#endif
