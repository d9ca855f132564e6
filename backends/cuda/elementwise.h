// One elementwise row as kernels: the functor's text for each dtype it has. Operands are read where they lie, broadcast
// or strided; C++ numbers travel by value; f16, bf16 and narrow integers are read and rounded on the way.
#pragma once
#include <tapir/backends/cuda/cast.h>
#include <tapir/backends/cuda/kernels.h>
#include <tapir/backends/cuda/launch.h>
#include <tapir/backends/cuda/number.h>
#include <tapir/backends/cuda/walk.h>
#include <tapir/ops/functors/each_row.h>
#include <tapir/ops/shaping.h>
#include <tapir/ops/tile.h>

namespace tapir::cuda {

/// How a value lies in memory, where that is not the type it is computed in: f16 and bf16 come as f32, and integers of
/// 8 and 16 bits as i32, which gives their results modulo 2^8 and 2^16 with a fifth of the kernels.
enum class Stored : std::uint8_t { plain, f16, bf16, i8, u8, i16, number };

inline Stored stored(DType d) {
  switch (d) {
    case DType::f16:
      return Stored::f16;
    case DType::bf16:
      return Stored::bf16;
    case DType::i8:
      return Stored::i8;
    case DType::u8:
      return Stored::u8;
    case DType::i16:
      return Stored::i16;
    default:
      return Stored::plain;
  }
}

template <class T>
struct Source {
  const void* data = nullptr;
  T number{};
  Stored kind = Stored::plain;

  TAPIR_HD T at(std::int64_t i) const {
    if (kind == Stored::number) return number;
    if constexpr (std::is_same_v<T, float>) {
      if (kind == Stored::f16) return float(static_cast<const float16*>(data)[i]);
      if (kind == Stored::bf16) return float(static_cast<const bfloat16*>(data)[i]);
    }
    if constexpr (std::is_same_v<T, std::int32_t>) {
      if (kind == Stored::i8) return static_cast<const std::int8_t*>(data)[i];
      if (kind == Stored::u8) return static_cast<const std::uint8_t*>(data)[i];
      if (kind == Stored::i16) return static_cast<const std::int16_t*>(data)[i];
    }
    return static_cast<const T*>(data)[i];
  }
};

/// Operand `t` of an op that computes in `compute`; `kept` holds what had to be cast to it.
template <class T>
Source<T> source_of(const Tensor& t, DType compute, Tensor& kept) {
  Source<T> s;
  if (t.device().backend == Backend::cpu) {  // a C++ number
    s.kind = Stored::number;
    visit_dtype(compute, [&]<class C>(C) {
      if constexpr (std::is_integral_v<C>) s.number = T(C(t.item<std::int64_t>()));
      else s.number = T(t.item<double>());
    });
    return s;
  }
  kept = std::is_same_v<T, float> && is_half(t.dtype()) ? t : as_dtype(t, compute);
  s.data = kept.data<std::byte>();
  s.kind = stored(kept.dtype());
  return s;
}

template <class T>
TAPIR_HD void store(void* out, std::int64_t i, T v, Stored as) {
  if constexpr (std::is_same_v<T, float>) {
    if (as == Stored::f16) return void(static_cast<float16*>(out)[i] = float16(v));
    if (as == Stored::bf16) return void(static_cast<bfloat16*>(out)[i] = bfloat16(v));
  }
  if constexpr (std::is_same_v<T, std::int32_t>) {
    if (as == Stored::i8) return void(static_cast<std::int8_t*>(out)[i] = std::int8_t(v));
    if (as == Stored::u8) return void(static_cast<std::uint8_t*>(out)[i] = std::uint8_t(v));
    if (as == Stored::i16) return void(static_cast<std::int16_t*>(out)[i] = std::int16_t(v));
  }
  static_cast<T*>(out)[i] = v;
}

template <class F, class T>
struct EachElement {
  static constexpr int N = F::arity;
  F f;
  Source<T> in[N];
  Source<bool> condition;  // instead of in[0]
  bool dense;
  Walk<N> walk;
  void* out;
  Stored as;

  TAPIR_HD Lane<T> lane(int k, const std::int64_t (&at)[N]) const { return Lane<T>(in[k].at(at[k])); }
  TAPIR_HD void operator()(std::int64_t i) const {
    std::int64_t at[N];
    if (dense)
      for (int k = 0; k < N; ++k) at[k] = i;
    else walk.places(i, at);
    if constexpr (F::first_is_bool) {
      store(out, i, f.value(Lane<bool>(condition.at(at[0])), lane(1, at), lane(2, at)).v, as);
    } else if constexpr (F::bool_result) {
      static_cast<bool*>(out)[i] = value(at);
    } else {
      store(out, i, value(at).v, as);
    }
  }

 private:
  TAPIR_HD auto value(const std::int64_t (&at)[N]) const {
    if constexpr (N == 1) return f.value(lane(0, at));
    else if constexpr (N == 2) return f.value(lane(0, at), lane(1, at));
    else if constexpr (N == 3) return f.value(lane(0, at), lane(1, at), lane(2, at));
    else if constexpr (N == 4) return f.value(lane(0, at), lane(1, at), lane(2, at), lane(3, at));
    else return f.value(lane(0, at), lane(1, at), lane(2, at), lane(3, at), lane(4, at));
  }
};

template <class F, class T>
void run_elementwise(const Call& call, DType compute) {
  constexpr int N = F::arity;
  const Tensor& y = call.out[0];
  EachElement<F, T> each;
  if (call.attrs) each.f = call.attrs.as<F>();
  else each.f = F{};
  Tensor kept[N];
  const Tensor* operands[N];
  each.dense = true;
  for (int k = 0; k < N; ++k) {
    const Tensor& x = call.in[std::size_t(k)];
    bool number;
    if (F::first_is_bool && k == 0) {
      each.condition = source_of<bool>(x, DType::boolean, kept[k]);
      number = each.condition.kind == Stored::number;
    } else {
      each.in[k] = source_of<T>(x, compute, kept[k]);
      number = each.in[k].kind == Stored::number;
    }
    operands[k] = number ? nullptr : &kept[k];
    each.dense &= number || (kept[k].size() == y.size() && kept[k].is_contiguous());
  }
  each.walk = walk_over(y.shape(), operands);
  each.out = y.mutable_data<std::byte>();
  each.as = stored(y.dtype());
  launch(y.size(), each);
}

template <class F>
void elementwise(const Call& call) {
  constexpr Types types = F::types;
  constexpr bool floats = types == Types::floating || types == Types::numeric || types == Types::any;
  // The derivatives of a numeric functor are for floats alone.
  constexpr bool integers = !vmath::fn::IsGradient<F> && types != Types::floating && types != Types::boolean;
  constexpr bool bools = types == Types::boolean || types == Types::any || types == Types::integer_or_bool;
  const DType compute = F::bool_result ? compute_dtype(call.op, call.in) : call.out[0].dtype();
  if constexpr (floats) {
    if (compute == DType::f32 || is_half(compute))
      return run_elementwise<F, float>(call, is_half(compute) ? DType::f32 : compute);
    if (compute == DType::f64) return run_elementwise<F, double>(call, compute);
  }
  if constexpr (integers) {
    switch (compute) {
      case DType::i8:
      case DType::u8:
      case DType::i16:
      case DType::i32:
        return run_elementwise<F, std::int32_t>(call, compute);
      case DType::i64:
        return run_elementwise<F, std::int64_t>(call, compute);
      default:
        break;
    }
  }
  if constexpr (bools) {
    if (compute == DType::boolean) return run_elementwise<F, bool>(call, compute);
  }
  throw InternalError(std::string(call.op.name) + ": no loop for " + name_of(compute) + ".");
}

template <class List>
void list_functors(List functors, KernelList& out) {
  each_row(functors, [&]<class F>() { out.push_back({functor_name<F>.data(), elementwise<F>}); });
}

}  // namespace tapir::cuda
