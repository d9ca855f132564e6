// Operand: what an operator or a binary function takes: a Tensor, a Variable or a C++ number, with the user's own line.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// Made implicitly at the call, for the length of the call. A temporary Tensor that nobody else holds lends its memory
/// to the result. Numbers are weak: they take the dtype of their partner.
class Operand {
 public:
  Operand(const Tensor& t, Where w = Where::current()) : tensor_(&t), where_(w) {}
  Operand(Tensor&& t, Where w = Where::current()) : tensor_(&t), where_(w), temporary_(true) {}
  Operand(const Variable& v, Where w = Where::current()) : own_(v.value()), tensor_(&own_), where_(w) {}
  template <Number T>
  Operand(T number, Where w = Where::current()) : own_(number), tensor_(&own_), where_(w) {}
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;

  const Tensor& tensor() const { return *tensor_; }
  operator const Tensor&() const { return *tensor_; }
  const Where& where() const { return where_; }
  bool temporary() const { return temporary_; }

 private:
  Tensor own_;
  const Tensor* tensor_;
  Where where_;
  bool temporary_ = false;
};

}  // namespace tapir
