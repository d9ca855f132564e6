// GradientTape: remembers the operations of this thread while it lives and runs them backwards.
#pragma once
#include <tapir/ops/operand.h>

#include <array>
#include <memory>
#include <utility>

namespace tapir {

/// What gradient() gives for a source that the target does not depend on: an undefined Tensor, or zeros.
enum class UnconnectedGradients : std::uint8_t { none, zero };

struct TapeOptions {
  bool persistent = false;               ///< may gradient() be called more than once? It is recorded too then
  bool watch_accessed_variables = true;  ///< watch each trainable Variable when it is read
};

/// Is told gradients as soon as they are final, while the tape goes on backwards: to send them off meanwhile.
class GradientHook {
 public:
  virtual ~GradientHook();
  /// Nothing that comes adds to the gradient of source `i`. Not called where nothing flows to.
  virtual void ready(std::size_t i, const Tensor& gradient) = 0;
};

struct GradientOptions {
  Tensor output_gradients = {};  ///< where to start, of the target's shape; ones if undefined
  UnconnectedGradients unconnected = UnconnectedGradients::none;
  GradientHook* hook = nullptr;
};

struct JacobianOptions {
  UnconnectedGradients unconnected = UnconnectedGradients::none;
};

/// What a gradient is taken with respect to: a watched Tensor or a Variable.
class GradientSource {
 public:
  GradientSource(const Tensor& t) : tensor_(&t) {}
  GradientSource(const Variable& v) : variable_(&v) {}
  const Tensor* tensor() const { return tensor_; }
  const Variable* variable() const { return variable_; }

 private:
  const Tensor* tensor_ = nullptr;
  const Variable* variable_ = nullptr;
};

/// Records what depends on watched tensors, from its construction to its destruction, on the thread that made it.
/// Tapes nest; gradients taken on an inner one are seen by the outer ones, which gives derivatives of higher order. A
/// persistent tape sees its own gradients as well; `stop_recording` around gradient() saves the memory of that.
class GradientTape final : private Recorder, private detail::VariableObserver {
 public:
  explicit GradientTape(TapeOptions options = {});
  ~GradientTape();
  GradientTape(const GradientTape&) = delete;
  GradientTape& operator=(const GradientTape&) = delete;

  /// From now on operations on `x` (floating, else DTypeError) are recorded.
  void watch(const Tensor& x, Where where = Where::current());
  void watch(const Variable& v, Where where = Where::current());
  /// Runs `f` without recording it here and returns what it returns. Outer tapes still record.
  template <class F>
  decltype(auto) stop_recording(F&& f) {
    Paused paused(*this);
    return std::forward<F>(f)();
  }
  /// Forgets everything, what was watched included, and starts again.
  void reset();
  /// Was `x` watched, or computed here from something watched?
  bool recorded(const Tensor& x) const;
  /// The number of operations recorded.
  std::size_t size() const;

  /// d target / d source, of the source's shape and dtype; a target with several elements is summed (or weighted by
  /// `output_gradients`). Undefined, or zeros, if target does not depend on source. Once only, unless persistent.
  /// Throws UsageError if the tape is used up or target does not depend on anything watched.
  Tensor gradient(const Operand& target, const GradientSource& source, GradientOptions options = {});
  /// With respect to several at once: `auto [dx, dw] = tape.gradient(loss, x, w);`
  template <class... Sources>
  requires(sizeof...(Sources) >= 2 &&
           (std::convertible_to<const Sources&, GradientSource> &&
            ...)) std::array<Tensor, sizeof...(Sources)> gradient(const Operand& target, const Sources&... sources) {
    const GradientSource list[] = {GradientSource(sources)...};
    std::vector<Tensor> g = run(target, list, {});
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<Tensor, sizeof...(Sources)>{std::move(g[I])...};
    }
    (std::index_sequence_for<Sources...>{});
  }
  std::vector<Tensor> gradient(const Operand& target, const std::vector<Tensor>& sources, GradientOptions options = {});
  std::vector<Tensor> gradient(const Operand& target, const std::vector<Variable>& sources,
                               GradientOptions options = {});
  std::vector<Tensor> gradient(const Operand& target, std::span<const GradientSource> sources,
                               GradientOptions options = {}) {
    return run(target, sources, options);
  }

  /// sum_k dy[k] * d targets[k] / d source, per source: the vector-Jacobian product of several targets at once. `dy`
  /// have the targets' shapes and dtypes. Undefined where nothing flows.
  std::vector<Tensor> gradients(std::span<const Tensor> targets, std::span<const Tensor> dy,
                                std::span<const GradientSource> sources, Where where = Where::current());

  /// The matrix of derivatives, shape target.shape + source.shape. One backward pass per element of the target.
  Tensor jacobian(const Operand& target, const GradientSource& source, JacobianOptions options = {});
  /// Per example: target [B, ...], source [B, ...] -> [B, target.shape[1:], source.shape[1:]]. Assumes that examples do
  /// not mix.
  Tensor batch_jacobian(const Operand& target, const GradientSource& source, JacobianOptions options = {});

 private:
  struct Paused {
    explicit Paused(GradientTape& t, bool pause = true) : tape(t), was_linked(pause && t.linked_) {
      if (pause) t.unlink();
    }
    ~Paused() {
      if (was_linked) tape.link();
    }
    GradientTape& tape;
    bool was_linked;
  };
  struct Memory;  // what was recorded
  struct Store;
  static Store& store();

  void record(const OpDef& op, Inputs in, std::span<const Tensor> out, Attrs attrs) override;
  void on_read(const Variable& variable, const Tensor& value) override;
  bool follows(const Tensor& x) const override { return recorded(x); }
  void link();
  void unlink();
  const void* keep_attrs(Attrs attrs);
  std::uint32_t start(const Tensor& target, const char* what) const;
  static void check_sources(const char* what, std::span<const GradientSource> sources);
  void check_seed(const Tensor& target, const Tensor& dy) const;
  std::vector<Tensor> run(const Operand& target, std::span<const GradientSource> sources, const GradientOptions& o);
  template <class F>
  void each_slot(const GradientSource& source, F f) const;
  struct Seed {
    std::uint32_t slot;
    Tensor dy;
  };
  std::vector<Tensor> backward(std::span<const Seed> seeds, std::span<const GradientSource> sources,
                               GradientHook* hook = nullptr);
  struct Final;
  std::vector<Final> finals(std::span<const GradientSource> sources) const;
  Tensor rows(const char* what, const Operand& target, const GradientSource& source, JacobianOptions options,
              bool batch);
  void use_up();

  TapeOptions options_;
  bool linked_ = false, used_ = false;
  std::unique_ptr<Memory> m_;
};

}  // namespace tapir
