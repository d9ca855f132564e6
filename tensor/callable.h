// Callable<R(Args...)>: a shared function object; what std::function is, without the weight of <functional>.
// FunctionRef: one that is only referred to.
#pragma once
#include <atomic>
#include <concepts>
#include <type_traits>
#include <utility>

namespace tapir {

namespace detail {
/// Owns one count of an object; a shared pointer of which a translation unit compiles almost nothing.
class Shared {
 public:
  struct Counted {
    virtual ~Counted() = default;
    std::atomic<int> owners{1};
  };
  Shared() = default;
  explicit Shared(Counted* owned) : object_(owned) {}
  Shared(const Shared& other);
  Shared(Shared&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Shared& operator=(Shared other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Shared() {
    if (object_) release(object_);
  }
  Counted* get() const { return object_; }

 private:
  static void release(Counted* object);
  Counted* object_ = nullptr;
};
}  // namespace detail

template <class Signature>
class Callable;

/// Holds any callable of this signature; copies share it.
template <class R, class... Args>
class Callable<R(Args...)> {
 public:
  Callable() = default;
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Callable> && std::is_invocable_r_v<R, F&, Args...>) Callable(F f)
      : target_(new Target<F>(std::move(f))) {}
  explicit operator bool() const { return target_.get() != nullptr; }
  R operator()(Args... args) const { return static_cast<Base*>(target_.get())->call(std::forward<Args>(args)...); }

 private:
  struct Base : detail::Shared::Counted {
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Target final : Base {
    explicit Target(F g) : f(std::move(g)) {}
    R call(Args... args) override { return f(std::forward<Args>(args)...); }
    F f;
  };
  detail::Shared target_;
};

template <class Signature>
class FunctionRef;

/// Refers to a callable that outlives it: two pointers, for parameters.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<R, F&, Args...>)
      FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* o, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(o))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

}  // namespace tapir
