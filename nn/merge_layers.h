// Layers of several inputs that make one of them, and Lambda: any function as a layer.
#pragma once
#include <tapir/nn/core_layers.h>

namespace tapir::nn {

/// A function of one tensor, or of a list of them, as a layer: `Lambda([](const Tensor& x) { return x * x; })`. It
/// should own no weights; a layer of your own may.
class Lambda : public LayerOf<Lambda> {
 public:
  template <class F>
  requires std::is_invocable_r_v<Tensor, F&, const Tensor&>
  explicit Lambda(F f, const LayerName& options = {})
      : Lambda(Function([f = std::move(f)](const std::vector<Tensor>& xs) mutable { return Tensor(f(xs.at(0))); }),
               options) {}
  template <class F>
  requires(std::is_invocable_r_v<Tensor, F&, const std::vector<Tensor>&> &&
           !std::is_invocable_v<F&, const Tensor&>) explicit Lambda(F f, const LayerName& options = {})
      : Lambda(Function(std::move(f)), options) {}

 protected:
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  using Function = Callable<Tensor(const std::vector<Tensor>&)>;
  explicit Lambda(Function f, const LayerName& options);
  Function function_;
};

/// What the layers below share: inputs of one shape, or of shapes that broadcast; those of fewer dimensions get new
/// ones after the batch, as in Keras.
class MergeLayer : public LayerOf<MergeLayer> {
 protected:
  enum class Kind : std::uint8_t { add, subtract, multiply, average, maximum, minimum };
  MergeLayer(const char* type, Kind kind, const LayerName& options);
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  friend class LayerOf<MergeLayer>;
  const char* type_;
  Kind kind_;
};

/// The sum of two or more inputs.
class Add : public MergeLayer {
 public:
  explicit Add(const LayerName& options = {}) : MergeLayer("Add", Kind::add, options) {}
};
/// The first input minus the second.
class Subtract : public MergeLayer {
 public:
  explicit Subtract(const LayerName& options = {}) : MergeLayer("Subtract", Kind::subtract, options) {}
};
/// The product, element by element, of two or more inputs.
class Multiply : public MergeLayer {
 public:
  explicit Multiply(const LayerName& options = {}) : MergeLayer("Multiply", Kind::multiply, options) {}
};
/// The mean of two or more inputs.
class Average : public MergeLayer {
 public:
  explicit Average(const LayerName& options = {}) : MergeLayer("Average", Kind::average, options) {}
};
/// The largest of two or more inputs, element by element.
class Maximum : public MergeLayer {
 public:
  explicit Maximum(const LayerName& options = {}) : MergeLayer("Maximum", Kind::maximum, options) {}
};
/// The smallest of two or more inputs, element by element.
class Minimum : public MergeLayer {
 public:
  explicit Minimum(const LayerName& options = {}) : MergeLayer("Minimum", Kind::minimum, options) {}
};

struct ConcatenateOptions {
  int axis = -1;  ///< the batch is 0
  std::string name = "";
};
/// Joins inputs along an axis; all other sizes must be equal.
class Concatenate : public LayerOf<Concatenate> {
 public:
  explicit Concatenate(const ConcatenateOptions& options = {}) : LayerOf(options.name), axis_(options.axis) {}

 protected:
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  int axis_;
};

struct DotOptions {
  bool normalize = false;  ///< cosines rather than products
  std::string name = "";
};
/// Sums of products over one axis of each of two inputs, example by example: [N, a, k] and [N, b, k] over axis 2 give
/// [N, a, b]; [N, k] and [N, k] give [N, 1]. Axes count the batch as 0.
class Dot : public LayerOf<Dot> {
 public:
  explicit Dot(int axis, const DotOptions& options = {}) : Dot(axis, axis, options) {}
  Dot(int first_axis, int second_axis, const DotOptions& options = {});

 protected:
  Tensor call(const Tensor& x, bool training) override;
  std::vector<Tensor> call_list(const std::vector<Tensor>& xs, bool training) override;

 private:
  int first_, second_;
  bool normalize_;
};

}  // namespace tapir::nn
