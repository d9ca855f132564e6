// Elementwise ops: a functor text, its row, and the tiles that backends stamp from it.
// What a functor looks like says ops/functors/functor.h.
#pragma once
#include <tapir/ops/functors/functor.h>
#include <tapir/ops/op.h>

#include <array>
#include <utility>

namespace tapir {

/// One contiguous run of `n` elements; `functor` points to the functor, fields and all.
using TileFn = void (*)(const void* const* in, void* out, std::int64_t n, const void* functor);

/// The tiles of one op for one instruction set, by compute dtype; halves compute in f32. Null: not defined.
struct TileFns {
  TileFn by_dtype[dtype_count] = {};
};

inline constexpr int max_tile_inputs = 5;

struct TileOp {
  int arity;
  Types types;
  bool bool_result;       // comparisons, isnan
  bool first_is_bool;     // where
  int cost;               // rough cycles per 8 floats, for deciding on threads
  const TileFns* isa[3];  // x86-64-v2, v3, v4
};

#ifndef TAPIR_TOP_ISA
#define TAPIR_TOP_ISA 4  // the highest x86-64 level that kernels are built for
#endif

namespace cpu {
void elementwise(const Call& call);
namespace v2 {
template <class F>
struct Tiles {
  static const TileFns fns;
};
}  // namespace v2
namespace v3 {
template <class F>
struct Tiles {
  static const TileFns fns;
};
}  // namespace v3
namespace v4 {
template <class F>
struct Tiles {
  static const TileFns fns;
};
}  // namespace v4
}  // namespace cpu

/// infer for every elementwise op: dtype promotion, broadcasting.
void infer_elementwise(const OpDef& op, Inputs in, Specs& out);
/// The dtype an elementwise op computes in: the promotion of its inputs, C++ numbers last.
DType compute_dtype(const OpDef& op, Inputs in);
/// A call of an elementwise op on operands; the result may take the memory of a temporary one.
Tensor apply_elementwise(const OpDef& op, const class Operand& a, const class Operand& b);
/// Sums `g` over what broadcasting added to `shape`, and casts it to `dtype`.
Tensor sum_to(const Tensor& g, const Shape& shape, DType dtype);
/// The gradient of `f` at the node's inputs in direction `dy`, by a tape of its own: how gradient rows are
/// differentiated again.
Tensors pullback(Tensor (*f)(Inputs in, const void* functor), const Node& node, const Tensor& dy);

/// The gradient of where(c, a, b): dy on the side that was taken.
Tensors where_gradient(const Node& node, const Tensor& dy);

/// "exp", "exp_grad", ...
template <class F>
constexpr auto functor_name_chars() {
  std::array<char, 64> out{};
  std::size_t n = 0;
  auto put = [&](const char* s) {
    while (*s) out[n++] = *s++;
  };
  if constexpr (vmath::fn::IsGradient<F>) {
    put(decltype(F::f)::name);
    put(F::suffix);
  } else {
    put(F::name);
  }
  return out;
}
template <class F>
inline constexpr auto functor_name = functor_name_chars<F>();

/// A C++ number as a tensor of its own, lest two of them meet; others as they are.
inline Tensor strong(const Tensor& x, DType dtype) { return x.is_weak() ? x.astype(dtype) : x; }

/// The text of F on Tensors; the first input is not a C++ number.
template <class F>
Tensor value_on_tensors(Inputs in, const void* functor) {
  static constexpr F plain{};
  const F& f = functor ? *static_cast<const F*>(functor) : plain;
  return [&]<std::size_t... I>(std::index_sequence<I...>) { return f.value(strong(in[I], in[0].dtype())...); }
  (std::make_index_sequence<F::arity>{});
}

/// op<F>, for texts above its definition.
template <class F>
const OpDef& row_of();

template <class F>
Tensors elementwise_gradient(const Node& n, std::span<const Tensor> dy) {
  using namespace vmath::fn;
  if constexpr (IsGradient<F>) {
    return pullback(value_on_tensors<F>, n, dy[0]);
  } else if constexpr (F::first_is_bool) {
    return where_gradient(n, dy[0]);
  } else {
    Inputs::Ref refs[max_tile_inputs] = {dy[0], dy[0], dy[0], dy[0], dy[0]};
    std::size_t count = 1;
    if (F::saves == Saves::inputs || F::saves == Saves::both)
      for (auto& x : n.inputs) refs[count++] = x;
    if (F::saves == Saves::output || F::saves == Saves::both) refs[count++] = n.out();
    auto run = [&](const OpDef& row, int i) {
      if (!n.wants(i)) return Tensor();
      return sum_to(apply(row, Inputs({refs, count}), n.attrs, Where::current()), n.in(i).shape(), n.in(i).dtype());
    };
    Tensors dx(static_cast<std::size_t>(F::arity));
    if constexpr (F::arity == 1) {
      dx[0] = run(row_of<Grad<F>>(), 0);
    } else {
      auto pass = [&](int i) { return n.wants(i) ? sum_to(dy[0], n.in(i).shape(), n.in(i).dtype()) : Tensor(); };
      if constexpr (F::passes_a) dx[0] = pass(0);
      else dx[0] = run(row_of<GradA<F>>(), 0);
      if constexpr (F::passes_b) dx[1] = pass(1);
      else if constexpr (has_grad_b<F>) dx[1] = run(row_of<GradB<F>>(), 1);
      if constexpr (has_grad_c<F>) dx[2] = run(row_of<GradC<F>>(), 2);
    }
    return dx;
  }
}

template <class F>
inline constexpr TileOp tile_op = {F::arity,
                                   F::types,
                                   F::bool_result,
                                   F::first_is_bool,
                                   F::cost,
                                   {&cpu::v2::Tiles<F>::fns, TAPIR_TOP_ISA >= 3 ? &cpu::v3::Tiles<F>::fns : nullptr,
                                    TAPIR_TOP_ISA >= 4 ? &cpu::v4::Tiles<F>::fns : nullptr}};

template <class F>
constexpr OpDef elementwise_row() {
  if constexpr (vmath::fn::IsGradient<F>) static_assert(sizeof(F) == sizeof(F::f));
  OpDef d;
  d.name = functor_name<F>.data();
  d.infer = [](Inputs in, Attrs, Specs& out) { infer_elementwise(row_of<F>(), in, out); };
  d.kernel[int(Backend::cpu)] = cpu::elementwise;
  if constexpr (F::differentiable) d.gradient = elementwise_gradient<F>;
  d.saves = F::saves;
  d.tile = &tile_op<F>;
  if constexpr (requires(F f, AttrVisitor & v) { f.visit(v); }) d.attrs = &attrs_type<F>;
  return d;
}

template <class F>
inline constexpr OpDef op = elementwise_row<F>();
template <class F>
const OpDef& row_of() {
  return op<F>;
}

/// The rows of a list of functors: the functor and, where it is differentiable, its derivatives.
template <class... Fs>
void list_rows(TypeList<Fs...>, std::vector<const OpDef*>& out) {
  using namespace vmath::fn;
  auto one = [&]<class F>(const F*) {
    out.push_back(&op<F>);
    if constexpr (F::differentiable && F::arity == 1) out.push_back(&op<Grad<F>>);
    if constexpr (F::differentiable && F::arity > 1 && !F::first_is_bool) {
      if constexpr (has_grad_a<F>) out.push_back(&op<GradA<F>>);
      if constexpr (has_grad_b<F>) out.push_back(&op<GradB<F>>);
      if constexpr (has_grad_c<F>) out.push_back(&op<GradC<F>>);
    }
  };
  (one(static_cast<const Fs*>(nullptr)), ...);
}

}  // namespace tapir
