// Masks: which steps of a sequence count.
#pragma once
#include <tapir/tensor/error.h>
#include <tapir/tensor/tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace tapir::nn {

/// While it lives, remembers the masks that go with tensors of this thread: bool, of the shape of a tensor's first
/// dimensions ([N, T] of a sequence), false at steps that do not count. Masking and Embedding make them; layers that
/// work step by step hand them on, recurrent layers, attention, GlobalAveragePooling1D, losses and metrics mind them,
/// all others lose them, as in Keras. Each call of a layer is in one, so a model needs none; in a loop of your own one
/// keeps the mask of the model's output for the loss.
class MaskScope {
 public:
  MaskScope();
  ~MaskScope();
  MaskScope(const MaskScope&) = delete;
  MaskScope& operator=(const MaskScope&) = delete;
  /// The mask of x; undefined if there is none.
  static Tensor of(const Tensor& x);
  /// Gives x a mask; an undefined one is none. Throws UsageError outside of a scope, ShapeError, DTypeError.
  static void set(const Tensor& x, const Tensor& mask, Where where = Where::current());
  /// Is there a scope on this thread?
  static bool active();

 private:
  std::vector<std::pair<std::uint64_t, Tensor>> masks_;  // by the tensors' ids
  MaskScope* outer_;
};

}  // namespace tapir::nn
