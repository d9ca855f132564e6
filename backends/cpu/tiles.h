// Stamps the tiles of a list of functors for one instruction set. A tile file is two lines: this header and
// `template void stamp(vmath::fn::SomeOps);`
#pragma once
#include <tapir/backends/cpu/pack.h>
#include <tapir/ops/tile.h>

namespace tapir::cpu::TAPIR_ISA {

template <class F>
inline const F& functor_of(const void* p) {
  static constexpr F plain{};
  return p ? *static_cast<const F*>(p) : plain;
}

// Full registers, then one padded register for the rest, so that a value does not depend on where it stands.
template <class F, class T>
void pack_tile(const void* const* in, void* out, std::int64_t n, const void* functor) {
  using V = Pack<T>;
  const F f = functor_of<F>(functor);
  constexpr int W = V::width;
  auto* o = static_cast<T*>(out);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    const T* p[] = {static_cast<const T*>(in[I])...};
    std::int64_t i = 0;
    for (; i + W <= n; i += W) f.value(V::load(p[I] + i)...).store(o + i);
    if (i < n) {
      T rest[sizeof...(I) + 1][W];
      for (std::size_t k = 0; k < sizeof...(I); ++k)
        for (int j = 0; j < W; ++j) rest[k][j] = i + j < n ? p[k][i + j] : T(1);
      f.value(V::load(rest[I])...).store(rest[sizeof...(I)]);
      for (int j = 0; i + j < n; ++j) o[i + j] = rest[sizeof...(I)][j];
    }
  }
  (std::make_index_sequence<F::arity>{});
}

// Element by element, vectorised by the compiler.
template <class F, class T>
void lane_tile(const void* const* in, void* out, std::int64_t n, const void* functor) {
  const F f = functor_of<F>(functor);
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    if constexpr (F::bool_result) {
      const T* p[] = {static_cast<const T*>(in[I])...};
      auto* o = static_cast<bool*>(out);
      for (std::int64_t i = 0; i < n; ++i) o[i] = f.value(Lane<T>(p[I][i])...);
    } else if constexpr (F::first_is_bool) {
      auto* c = static_cast<const bool*>(in[0]);
      auto *a = static_cast<const T*>(in[1]), *b = static_cast<const T*>(in[2]);
      auto* o = static_cast<T*>(out);
      for (std::int64_t i = 0; i < n; ++i) o[i] = f.value(Lane<bool>(c[i]), Lane<T>(a[i]), Lane<T>(b[i])).v;
    } else {
      const T* p[] = {static_cast<const T*>(in[I])...};
      auto* o = static_cast<T*>(out);
      for (std::int64_t i = 0; i < n; ++i) o[i] = f.value(Lane<T>(p[I][i])...).v;
    }
  }
  (std::make_index_sequence<F::arity>{});
}

template <class F>
constexpr TileFns make_tiles() {
  TileFns t;
  constexpr Types types = F::types;
  if constexpr (types == Types::floating || types == Types::numeric || types == Types::any) {
    if constexpr (F::bool_result || F::first_is_bool) {
      t.by_dtype[int(DType::f32)] = lane_tile<F, float>;
      t.by_dtype[int(DType::f64)] = lane_tile<F, double>;
    } else {
      t.by_dtype[int(DType::f32)] = pack_tile<F, float>;
      t.by_dtype[int(DType::f64)] = pack_tile<F, double>;
    }
  }
  // The derivatives of a numeric functor are for floats alone.
  if constexpr (!vmath::fn::IsGradient<F> && types != Types::floating && types != Types::boolean) {
    t.by_dtype[int(DType::i8)] = lane_tile<F, std::int8_t>;
    t.by_dtype[int(DType::u8)] = lane_tile<F, std::uint8_t>;
    t.by_dtype[int(DType::i16)] = lane_tile<F, std::int16_t>;
    t.by_dtype[int(DType::i32)] = lane_tile<F, std::int32_t>;
    t.by_dtype[int(DType::i64)] = lane_tile<F, std::int64_t>;
  }
  if constexpr (types == Types::boolean || types == Types::any || types == Types::integer_or_bool)
    t.by_dtype[int(DType::boolean)] = lane_tile<F, bool>;
  return t;
}

template <class F>
constinit const TileFns Tiles<F>::fns = make_tiles<F>();

// Makes the compiler emit the tiles of every functor in the list.
template <class F>
constexpr std::array<const TileFns*, 4> emit() {
  using namespace vmath::fn;
  std::array<const TileFns*, 4> e{&Tiles<F>::fns};
  if constexpr (F::differentiable && F::arity == 1) e[1] = &Tiles<Grad<F>>::fns;
  if constexpr (F::differentiable && F::arity > 1 && !F::first_is_bool) {
    if constexpr (has_grad_a<F>) e[1] = &Tiles<GradA<F>>::fns;
    if constexpr (has_grad_b<F>) e[2] = &Tiles<GradB<F>>::fns;
    if constexpr (has_grad_c<F>) e[3] = &Tiles<GradC<F>>::fns;
  }
  return e;
}
template <class List>
struct Stamp;
template <class... Fs>
struct Stamp<TypeList<Fs...>> {
  static const std::array<const TileFns*, 4> all[sizeof...(Fs)];
};
template <class... Fs>
const std::array<const TileFns*, 4> Stamp<TypeList<Fs...>>::all[sizeof...(Fs)] = {emit<Fs>()...};

}  // namespace tapir::cpu::TAPIR_ISA
