// Variable: a named cell that holds a Tensor and can be assigned.
#pragma once
#include <tapir/tensor/tensor.h>

#include <memory>

namespace tapir {

struct VariableOptions {
  bool trainable = true;
};

/// A mutable, named, shared cell for a Tensor. Copies refer to the same cell. Reading it under a GradientTape watches
/// it if it is trainable; `assign` is never recorded. Shape and dtype are fixed by the first value.
class Variable {
 public:
  /// Undefined, `defined()` is false.
  Variable() = default;
  explicit Variable(const Tensor& initial, std::string name = "variable", VariableOptions options = {},
                    Where where = Where::current());

  bool defined() const { return cell_ != nullptr; }
  // All that follow throw UsageError for an undefined variable.
  /// The present value.
  Tensor value(Where where = Where::current()) const;
  operator Tensor() const { return value({}); }
  const std::string& name(Where where = Where::current()) const;
  void rename(std::string name, Where where = Where::current());
  bool trainable(Where where = Where::current()) const;
  void set_trainable(bool trainable, Where where = Where::current());
  Shape shape(Where where = Where::current()) const;
  DType dtype(Where where = Where::current()) const;
  std::int64_t size(Where where = Where::current()) const { return shape(where).size(); }
  /// What the tape knows the present value by.
  std::uint64_t id() const;
  /// Counts assignments; caches of packed kernels use it.
  std::uint64_t version() const;

  /// Replaces the value. Throws ShapeError or DTypeError if it does not fit (C++-number tensors adapt their dtype).
  void assign(const Tensor& value, Where where = Where::current());
  /// value + delta
  void assign_add(const Tensor& delta, Where where = Where::current());
  /// value - delta
  void assign_sub(const Tensor& delta, Where where = Where::current());

  /// The same cell?
  friend bool operator==(const Variable& a, const Variable& b) { return a.cell_ == b.cell_; }

  struct Cell;
  Cell* cell() const { return cell_.get(); }

 private:
  Cell& get(const Where& where = {}) const;
  std::shared_ptr<Cell> cell_;
};

namespace detail {
/// The memory of a variable's value, taken to write its next value over it. While this lives, readers of the variable
/// wait.
class Overwrite {
 public:
  Overwrite() = default;
  Overwrite(const Overwrite&) = delete;
  Overwrite& operator=(const Overwrite&) = delete;
  /// The next value is published, also if whoever wrote it threw.
  ~Overwrite();
  /// Takes the memory of `value`, which was read from `variable`, if no one but the caller's one Tensor and the
  /// variable holds it and it is the library's own.
  bool take(const Variable& variable, const Tensor& value);
  /// To be written.
  const Tensor& next() const { return next_; }

 private:
  Variable variable_;
  Tensor next_;
};

/// Called on each read of a variable on this thread: tapes watch, layers find their weights, traces capture.
struct VariableObserver {
  virtual void on_read(const Variable& variable, const Tensor& value) = 0;
  /// Before an assignment; true if the observer took it over (a trace).
  virtual bool on_assign(const Variable&, const Tensor&) { return false; }
  /// What a read returns instead of the present value; undefined for the present value (a trace).
  virtual Tensor on_value(const Variable&) { return {}; }
  VariableObserver* previous = nullptr;

 protected:
  ~VariableObserver() = default;
};
/// The innermost observer of this thread.
VariableObserver*& variable_observer();
/// What reads of trainable variables on this thread give in place of the value, which observers have seen; null: the
/// value itself. Mixed precision.
using VariableCast = Tensor (*)(const Tensor& value);
VariableCast& variable_cast();
}  // namespace detail

}  // namespace tapir
