// Attributes of an op: a trivially copyable struct that can name its fields, so that it can be compared, printed, kept
// on a tape and written to a file. A struct joins in by
//     template <class V> void visit(V&& v) { v("axis", axis); v("keepdims", keepdims); }
#pragma once
#include <tapir/tensor/dtype.h>
#include <tapir/tensor/shape.h>

#include <cstddef>
#include <string>
#include <type_traits>

namespace tapir {

/// Reads or writes the fields of an attributes struct, one by one.
struct AttrVisitor {
  virtual void operator()(const char* name, std::int64_t& v) = 0;
  virtual void operator()(const char* name, double& v) = 0;
  virtual void operator()(const char* name, bool& v) = 0;
  virtual void operator()(const char* name, Shape& v) = 0;
  virtual void operator()(const char* name, DType& v) = 0;
  template <class E>
  requires std::is_enum_v<E>
  void operator()(const char* name, E& e) {
    auto v = std::int64_t(e);
    (*this)(name, v);
    e = E(v);
  }
  void operator()(const char* name, int& i) {
    std::int64_t v = i;
    (*this)(name, v);
    i = int(v);
  }
  void operator()(const char* name, float& f) {
    double v = f;
    (*this)(name, v);
    f = float(v);
  }
  /// A field that texts and files leave out where it is `usual`.
  template <class T>
  void rare(const char* name, T& v, T usual) {
    if (v != usual || has(name)) (*this)(name, v);
  }
  /// Who writes fields: is there a value for this one?
  virtual bool has(const char*) const { return false; }

 protected:
  ~AttrVisitor() = default;
};

/// What is known of one attributes struct at run time.
struct AttrsType {
  std::size_t size, align;
  void (*visit)(void* attrs, AttrVisitor& v);
  void (*construct)(void* at);  // defaults
};

template <class A>
inline constexpr AttrsType attrs_type = {sizeof(A), alignof(A),
                                         [](void* a, AttrVisitor& v) { static_cast<A*>(a)->visit(v); },
                                         [](void* at) { new (at) A{}; }};

/// A reference to an attributes struct, or to none.
class Attrs {
 public:
  constexpr Attrs() = default;
  template <class A>
  requires(!std::is_same_v<A, Attrs>) Attrs(const A& a) : data_(&a), type_(&attrs_type<A>) {
    static_assert(std::is_trivially_copyable_v<A> && alignof(A) <= 8);
  }
  constexpr Attrs(const void* data, const AttrsType* type) : data_(data), type_(type) {}
  template <class A>
  const A& as() const {
    return *static_cast<const A*>(data_);
  }
  explicit operator bool() const { return data_ != nullptr; }
  const void* data() const { return data_; }
  const AttrsType* type() const { return type_; }
  /// "axis=[1], keepdims=true"
  std::string str() const;
  /// Same type, same fields.
  friend bool operator==(const Attrs& a, const Attrs& b);

 private:
  const void* data_ = nullptr;
  const AttrsType* type_ = nullptr;
};

}  // namespace tapir
