// The inner loops of reductions, compiled once for each instruction set.
#include <tapir/backends/cpu/fold_row.h>
#include <tapir/backends/cpu/reduce.h>

namespace tapir::cpu::TAPIR_ISA {
namespace {

// Walks loops like an odometer, keeping offsets of input and output.
struct Walk {
  const Loops& loops;
  std::int64_t at[Shape::max_rank], in = 0, out = 0;
  Walk(const Loops& l, std::int64_t begin) : loops(l) {
    for (int d = l.rank - 1; d >= 0; --d) {
      at[d] = begin % l.size[d];
      begin /= l.size[d];
      in += at[d] * l.in[d];
      out += at[d] * l.out[d];
    }
  }
  void next() {
    for (int d = loops.rank - 1; d >= 0; --d) {
      in += loops.in[d], out += loops.out[d];
      if (++at[d] < loops.size[d]) return;
      in -= loops.in[d] * loops.size[d], out -= loops.out[d] * loops.size[d];
      at[d] = 0;
    }
  }
};

template <class F>
void rows(const Reduction& r, std::int64_t begin, std::int64_t end) {
  using In = typename F::In;
  using Wide = typename F::Wide;
  auto* x = static_cast<const In*>(r.in);
  const std::int64_t outer = r.reduced.count();
  Walk kept(r.kept, begin);
  for (std::int64_t u = begin; u < end; ++u, kept.next()) {
    Wide total = row<F>(x + kept.in, r.inner);
    if (outer > 1) {
      Walk w(r.reduced, 1);
      for (std::int64_t q = 1; q < outer; ++q, w.next()) total = F::step(total, row<F>(x + kept.in + w.in, r.inner));
    }
    if (r.partial) static_cast<Wide*>(r.partial)[u] = total;
    else static_cast<typename F::Out*>(r.out)[kept.out] = typename F::Out(total);
  }
}

// acc[j] = step of acc[j] and of the j-th elements of `count` rows: so many registers wide, `together` rows at a time.
template <class F, int together>
void add_rows_together(typename F::Lane* acc, const typename F::In* p, std::int64_t stride, std::int64_t n) {
  using Lane = typename F::Lane;
  std::int64_t j = 0;
  if constexpr (F::registers) {
    using R = Register<Lane>;
    for (; j + R::lanes <= n; j += R::lanes) {
      typename R::V a = R::load(acc + j);
      for (int q = 0; q < together; ++q) a = F::step(a, R::load(p + q * stride + j));
      std::memcpy(acc + j, &a, sizeof a);
    }
  }
  for (; j < n; ++j) {
    Lane a = acc[j];
    for (int q = 0; q < together; ++q) a = F::step(a, Lane(p[q * stride + j]));
    acc[j] = a;
  }
}
template <class F>
void add_rows(typename F::Lane* acc, const typename F::In* p, std::int64_t stride, std::int64_t count, std::int64_t n) {
  constexpr int together = 8;
  std::int64_t q = 0;
  for (; q + together <= count; q += together) add_rows_together<F, together>(acc, p + q * stride, stride, n);
  for (; q < count; ++q) add_rows_together<F, 1>(acc, p + q * stride, stride, n);
}

// The accumulators of a block of columns: short-range ones, and wide ones where F has a block.
template <class F>
struct Columns {
  using In = typename F::In;
  using Lane = typename F::Lane;
  using Wide = typename F::Wide;
  alignas(64) Lane lane[column_block];
  alignas(64) Wide wide[F::block ? column_block : 1];
  int steps = 0;
  bool some = false;  // is anything in `wide`?

  void flush(std::int64_t n) {
    if constexpr (F::block != 0) {
      if (steps == 0) return;
      if (some)
        for (std::int64_t j = 0; j < n; ++j) wide[j] = F::step(wide[j], Wide(lane[j]));
      else
        for (std::int64_t j = 0; j < n; ++j) wide[j] = Wide(lane[j]);
      some = true;
      steps = 0;
    }
  }
  void add(const In* p, std::int64_t stride, std::int64_t count, std::int64_t n) {
    while (count > 0) {
      if (steps == 0) {
        for (std::int64_t j = 0; j < n; ++j) lane[j] = Lane(p[j]);
        steps = 1, p += stride, --count;
      }
      std::int64_t now = F::block ? std::min<std::int64_t>(count, F::block - steps) : count;
      add_rows<F>(lane, p, stride, now, n);
      p += now * stride;
      count -= now;
      if (F::block && (steps += int(now)) == F::block) flush(n);
    }
  }
  Wide result(std::int64_t j) const {
    if constexpr (F::block != 0) return wide[j];
    else return lane[j];
  }
};

// Narrow dense rows are taken several at a time as one wide row of whole registers, and folded at the end.
template <class F>
std::int64_t rows_together(std::int64_t m, std::int64_t count) {
  constexpr std::int64_t lanes = Register<typename F::Lane>::lanes, wide = column_block / 4;
  if (m > wide / 2) return 1;
  std::int64_t rows = wide / m / lanes * lanes;
  if (rows == 0) rows = lanes * m <= column_block ? lanes : wide / m;
  return std::min(rows, count);
}

template <class F>
void columns(const Reduction& r, std::int64_t begin, std::int64_t end) {
  using In = typename F::In;
  using Wide = typename F::Wide;
  using Out = typename F::Out;
  const std::int64_t m = r.inner, blocks = (m + column_block - 1) / column_block;
  const int last = r.reduced.rank - 1;
  const std::int64_t count = last >= 0 ? r.reduced.size[last] : 1, stride = last >= 0 ? r.reduced.in[last] : 0;
  Loops outer = r.reduced;
  outer.rank = std::max(0, last);
  const std::int64_t outer_count = outer.count();
  const std::int64_t together = stride == m ? rows_together<F>(m, count) : 1;
  Columns<F> c;
  for (std::int64_t u = begin; u < end; ++u) {
    const std::int64_t first = u % blocks * column_block, n = std::min(column_block, m - first);
    Walk kept(r.kept, u / blocks), w(outer, 0);
    c.steps = 0, c.some = false;
    for (std::int64_t q = 0; q < outer_count; ++q, w.next()) {
      const In* p = static_cast<const In*>(r.in) + kept.in + w.in + first;
      if (together == 1) c.add(p, stride, count, n);
      else c.add(p, together * m, count / together, together * m);
    }
    c.flush(together * n);
    Wide* to = static_cast<Wide*>(r.partial) + (r.partial ? u / blocks * m + first : 0);
    Out* out = static_cast<Out*>(r.out) + kept.out + first * r.inner_out;
    for (std::int64_t j = 0; j < n; ++j) {
      Wide v = c.result(j);
      for (std::int64_t t = 1; t < together; ++t) v = F::step(v, c.result(j + t * m));
      if (together > 1) {
        Walk rest(outer, 0);
        for (std::int64_t q = 0; q < outer_count; ++q, rest.next())
          for (std::int64_t i = count / together * together; i < count; ++i)
            v = F::step(v, Wide(static_cast<const In*>(r.in)[kept.in + rest.in + i * m + j]));
      }
      if (r.partial) to[j] = v;
      else out[j * r.inner_out] = Out(v);
    }
  }
}

template <class F>
void join(const Reduction& r, std::int64_t parts, bool is_columns) {
  using Wide = typename F::Wide;
  const std::int64_t n = is_columns ? r.inner : 1, kept_count = r.kept.count(), total = kept_count * n;
  auto* p = static_cast<const Wide*>(r.partial);
  Walk kept(r.kept, 0);
  for (std::int64_t u = 0; u < kept_count; ++u, kept.next())
    for (std::int64_t j = 0; j < n; ++j) {
      Wide v = p[u * n + j];
      for (std::int64_t k = 1; k < parts; ++k) v = F::step(v, p[k * total + u * n + j]);
      static_cast<typename F::Out*>(r.out)[kept.out + (is_columns ? j * r.inner_out : 0)] = typename F::Out(v);
    }
}

// Does x replace the best so far? Only if strictly better, or the first NaN.
template <bool largest, class T>
bool better(T x, T best) {
  if constexpr (std::is_integral_v<T>) return largest ? x > best : x < best;
  else return (largest ? x > best : x < best) | ((x != x) & (best == best));
}

template <class T, bool largest>
void arg(const void* data, std::int64_t n, std::int64_t inner, std::int64_t begin, std::int64_t end,
         std::int64_t* index, void* best_out) {
  using F = ExtremeOf<T, largest>;
  auto* x = static_cast<const T*>(data);
  auto* out = static_cast<T*>(best_out);
  constexpr std::int64_t chunk = 1024;
  for (std::int64_t u = begin; u < end; ++u) {
    const T* p = x + u * n * inner;
    if (inner == 1) {  // the best chunk first, then the place within it
      T best = row<F>(p, std::min(chunk, n));
      std::int64_t at = 0;
      for (std::int64_t i = chunk; i < n; i += chunk) {
        T v = row<F>(p + i, std::min(chunk, n - i));
        if (better<largest>(v, best)) best = v, at = i;
      }
      if (best != best)
        while (p[at] == p[at]) ++at;
      else
        while (p[at] != best) ++at;
      index[u] = at;
      if (out) out[u] = best;
      continue;
    }
    for (std::int64_t first = 0; first < inner; first += chunk) {
      const std::int64_t m = std::min(chunk, inner - first);
      T best[chunk];
      std::int64_t at[chunk];
      std::copy(p + first, p + first + m, best);
      std::fill(at, at + m, 0);
      for (std::int64_t i = 1; i < n; ++i) {
        const T* q = p + i * inner + first;
        for (std::int64_t j = 0; j < m; ++j) {
          bool take = better<largest>(q[j], best[j]);
          best[j] = take ? q[j] : best[j];
          at[j] = take ? i : at[j];
        }
      }
      std::copy(at, at + m, index + u * inner + first);
      if (out) std::copy(best, best + m, out + u * inner + first);
    }
  }
}

template <class F>
constexpr ReduceFns::Entry entry() {
  return {rows<F>, columns<F>, join<F>, int(sizeof(typename F::Wide))};
}

constexpr ReduceFns make() {
  ReduceFns f{};
  auto numbers = [&]<class T>(T) {
    const int d = int(dtype_of<T>());
    f.fold[int(Fold::sum)][d] = entry<SumOf<T>>();
    f.fold[int(Fold::prod)][d] = entry<ProdOf<T>>();
    f.fold[int(Fold::min)][d] = entry<ExtremeOf<T, false>>();
    f.fold[int(Fold::max)][d] = entry<ExtremeOf<T, true>>();
    f.arg[0][d] = arg<T, false>;
    f.arg[1][d] = arg<T, true>;
  };
  numbers(float{}), numbers(double{}), numbers(std::int8_t{}), numbers(std::uint8_t{}), numbers(std::int16_t{});
  numbers(std::int32_t{}), numbers(std::int64_t{});
  const int b = int(DType::boolean);
  f.fold[int(Fold::sum)][b] = entry<CountOf>();
  f.fold[int(Fold::any)][b] = entry<LogicOf<false>>();
  f.fold[int(Fold::all)][b] = entry<LogicOf<true>>();
  return f;
}

}  // namespace

constinit const ReduceFns reduce_fns = make();

}  // namespace tapir::cpu::TAPIR_ISA
