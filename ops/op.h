// The row: everything tapir knows about an operation, in one place. apply() is the only door to running one.
#pragma once
#include <tapir/ops/attrs.h>
#include <tapir/ops/saves.h>
#include <tapir/tensor/tensor.h>
#include <tapir/tensor/variable.h>

#include <cstring>
#include <initializer_list>
#include <span>

namespace tapir {

/// A short list that lives inline up to N elements: what ops take and give.
template <class T, int N>
class SmallVector {
 public:
  SmallVector() = default;
  SmallVector(std::initializer_list<T> items) {
    for (auto& i : items) push_back(i);
  }
  explicit SmallVector(std::size_t n) { resize(n); }
  void push_back(T v) {
    if (count_ < N) inline_[count_] = std::move(v);
    else {
      if (count_ == N) {
        for (auto& i : inline_) spilled_.push_back(std::move(i));
      }
      spilled_.push_back(std::move(v));
    }
    ++count_;
  }
  void resize(std::size_t n) {
    while (std::size_t(count_) < n) push_back(T{});
  }
  std::size_t size() const { return std::size_t(count_); }
  bool empty() const { return count_ == 0; }
  T* data() { return count_ <= N ? inline_ : spilled_.data(); }
  const T* data() const { return count_ <= N ? inline_ : spilled_.data(); }
  T* begin() { return data(); }
  T* end() { return data() + count_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + count_; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }

 private:
  T inline_[N] = {};
  int count_ = 0;
  std::vector<T> spilled_;
};

using Tensors = SmallVector<Tensor, 3>;

/// What an op is about to compute: shape and dtype of one output. `weak` if it was made of C++ numbers alone.
struct Spec {
  Shape shape;
  DType dtype = DType::f32;
};
using Specs = SmallVector<Spec, 1>;

/// The inputs of a call: pointers to tensors that the caller keeps alive. No copies, no reference counts.
class Inputs {
 public:
  struct Ref {
    const Tensor* t;
    Ref(const Tensor& x) : t(&x) {}
    template <class O>
    requires requires(const O& o) { o.tensor(); }
    Ref(const O& operand) : t(&operand.tensor()) {}
  };
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winit-list-lifetime"
#endif
  Inputs(std::initializer_list<Ref> l) : p_(l.begin()), n_(l.size()) {}
#ifndef __clang__
#pragma GCC diagnostic pop
#endif
  Inputs(std::span<const Ref> refs) : p_(refs.data()), n_(refs.size()) {}
  const Tensor& operator[](std::size_t i) const { return *p_[i].t; }
  std::size_t size() const { return n_; }

 private:
  const Ref* p_;
  std::size_t n_;
};

/// References to a list of tensors, for apply().
inline std::vector<Inputs::Ref> refs_of(std::span<const Tensor> tensors) { return {tensors.begin(), tensors.end()}; }

struct OpDef;

/// One kernel call: inputs and allocated outputs on the same device.
struct Call {
  const OpDef& op;
  Inputs in;
  std::span<const Tensor> out;  // contiguous, to be filled through mutable_data()
  Attrs attrs;
};

/// A recorded call, as its gradient sees it. Inputs and outputs that the row does not save have a spec and no data.
struct Node {
  const OpDef* op = nullptr;
  Attrs attrs;
  std::span<const Tensor> inputs, outputs;
  std::span<const std::uint8_t> wanted;  // per input: does anybody ask for its gradient?

  const Tensor& in(int i) const { return inputs[std::size_t(i)]; }
  const Tensor& out(int i = 0) const { return outputs[std::size_t(i)]; }
  bool wants(int i) const { return wanted[std::size_t(i)] != 0; }
};

/// Gradients with respect to the inputs, undefined for zero or unwanted; `dy` per output, undefined where nothing
/// flows. Written with public ops, so that gradients of gradients, traced gradients and gradients on CUDA come for
/// free.
using Gradient = Tensors (*)(const Node& node, std::span<const Tensor> dy);
using Infer = void (*)(Inputs in, Attrs attrs, Specs& out);
using Kernel = void (*)(const Call& call);
/// Floating-point operations of a call, a multiply-add counts as two. Outputs may have specs alone.
using Flops = double (*)(const Call& call);
/// Makes the outputs itself: control flow.
using Make = Tensors (*)(Inputs in, Attrs attrs);
/// A view of input 0: no data moves.
using View = Tensor (*)(const Tensor& x, const Spec& out, Attrs attrs);

/// How an elementwise op is computed tile by tile; see ops/elementwise.h. Null for other ops.
struct TileOp;

struct OpDef {
  const char* name = "";
  Infer infer = nullptr;              // checks everything, throws before anything runs
  Kernel kernel[backend_count] = {};  // null: CUDA's is looked up by `name` in what was loaded; DeviceError
  Gradient gradient = nullptr;        // null: not differentiable, nothing is recorded
  Saves saves = Saves::none;
  View view = nullptr;               // set for views, instead of kernels
  Make make = nullptr;               // set for control flow, instead of kernels
  const TileOp* tile = nullptr;      // set for elementwise ops
  bool needs_contiguous = false;     // apply() hands the kernel dense inputs
  bool half_via_f32 = false;         // apply() runs f16 and bf16 through f32
  const AttrsType* attrs = nullptr;  // null: it has none
  bool in_place = false;             // output k may be written over input k, element by element
  bool effect = false;               // draws random numbers or the like: never folded, merged or reordered
  Flops flops = nullptr;             // null: memory bounds it rather than arithmetic
};

/// Sees each call of this thread: the tape, the tracer.
struct Recorder {
  /// Does it make outputs itself? Only then `intercept` is asked.
  bool intercepts = false;
  /// Before anything runs. True if the recorder makes the outputs itself (a trace); they are then in `out`.
  virtual bool intercept(const OpDef&, Inputs, Attrs, const Specs&, Tensors& out) { return (void)out, false; }
  /// After the outputs exist.
  virtual void record(const OpDef& op, Inputs in, std::span<const Tensor> out, Attrs attrs) = 0;
  /// Would an operation on `x` be recorded?
  virtual bool follows(const Tensor&) const { return false; }
  Recorder* previous = nullptr;

 protected:
  ~Recorder() = default;
};
/// The innermost recorder of this thread.
Recorder*& recorder();
/// Does a recorder of this thread make the outputs, as a trace does? `r`: the innermost.
inline bool intercepted(const Recorder* r = recorder()) {
  while (r && !r->intercepts) r = r->previous;
  return r != nullptr;
}

/// Checks, runs and records one op with one output. Weak scalars take part by value.
Tensor apply(const OpDef& op, Inputs in, Attrs attrs, const Where& where);
/// As apply, for ops with any number of outputs.
Tensors apply_all(const OpDef& op, Inputs in, Attrs attrs, const Where& where);

/// The kernel of `op` over tensors at hand, in the dtype and layout that the row asks for. Nothing is checked or
/// recorded.
void run_kernel(const OpDef& op, Inputs in, std::span<const Tensor> out, Attrs attrs, Device device);
/// What runs `op` on `device`, which becomes this thread's. Throws DeviceError if there is none.
Kernel kernel_for(const OpDef& op, Device device);

/// Every op there is, in the order of the reference; op_table.cpp lists them.
std::span<const OpDef* const> all_ops();
/// Null if there is none of that name.
const OpDef* find_op(const std::string& name);

}  // namespace tapir
