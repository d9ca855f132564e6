// Runs one elementwise op: finds its tile and feeds it contiguous runs in the dtype that it computes in. Operands that
// are broadcast, strided or of another dtype are gathered into an L1-sized buffer first.
#include <tapir/backends/cpu/half_loops.h>
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/strided.h>
#include <tapir/ops/tile.h>
#include <tapir/tensor/convert.h>

namespace tapir::cpu {
namespace {

constexpr std::int64_t kTile = 1024;

struct Operand {
  enum { direct, splat, gathered } how;
  const std::byte* data;
  DType from, to;         // as stored, as computed
  Strided walk;           // for gathered
  bool dense;             // gathered for its dtype alone
};

// Every element of t is the same one: a scalar, or one broadcast by a view.
bool one_value(const Tensor& t) {
  if (t.size() == 1) return true;
  for (int i = 0; i < t.rank(); ++i)
    if (t.strides()[i] != 0 && t.shape()[i] != 1) return false;
  return true;
}

std::int64_t grain_of(const TileOp& op) { return std::max<std::int64_t>(2048, 1'000'000 / (op.cost + 2) / 4); }

}  // namespace

void elementwise(const Call& call) {
  const TileOp& op = *call.op.tile;
  const Tensor& out = call.out[0];
  DType compute = op.bool_result ? compute_dtype(call.op, call.in) : out.dtype();
  DType stored = out.dtype();
  if (is_half(compute)) compute = DType::f32;
  bool narrow = is_half(stored);
  TileFn tile = op.isa[int(isa())]->by_dtype[int(compute)];
  if (!tile)
    throw DTypeError(std::string(call.op.name) + ": not defined for " + tapir::name_of(compute) + ".");
  const void* functor = call.attrs.data();
  const std::int64_t n = out.size();
  const int arity = op.arity;

  Operand operands[max_tile_inputs];
  bool all_direct = !narrow;
  for (int i = 0; i < arity; ++i) {
    const Tensor& t = call.in[std::size_t(i)];
    Operand& o = operands[i];
    o.data = t.data<std::byte>();
    o.from = t.dtype();
    o.to = i == 0 && op.first_is_bool ? DType::boolean : compute;
    o.dense = t.is_contiguous() && t.size() == n;
    if (n != 1 && one_value(t)) o.how = Operand::splat;
    else if (o.from == o.to && o.dense) o.how = Operand::direct;
    else o.how = Operand::gathered;
    all_direct &= o.how == Operand::direct;
  }
  if (all_direct) {
    auto out_step = std::int64_t(size_of(stored));
    parallel_for(n, grain_of(op), [&](std::int64_t b, std::int64_t e) {
      const void* p[max_tile_inputs];
      for (int i = 0; i < arity; ++i) p[i] = operands[i].data + b * std::int64_t(size_of(operands[i].to));
      tile(p, out.mutable_data<std::byte>() + b * out_step, e - b, functor);
    });
    return;
  }

  // A tile length that is a multiple of the period of trailing broadcasts, so that they are gathered once.
  std::int64_t step = kTile, period = 0;
  for (int i = 0; i < arity; ++i) {
    if (operands[i].how != Operand::gathered) continue;
    operands[i].walk = Strided(out.shape(), call.in[std::size_t(i)]);
    std::int64_t p = operands[i].walk.period();
    if (p > 0 && p <= kTile && (period == 0 || period % p == 0 || p % period == 0)) period = std::max(period, p);
  }
  if (period) step = kTile / period * period;

  parallel_for((n + step - 1) / step, std::max<std::int64_t>(1, grain_of(op) / step),
               [&](std::int64_t first, std::int64_t last) {
    alignas(64) std::byte buffer[max_tile_inputs][kTile * 8];
    alignas(64) std::byte raw[kTile * 8], result[kTile * 8];
    const void* p[max_tile_inputs];
    auto load = [&](int i, std::int64_t begin, std::int64_t count) {
      const Operand& o = operands[i];
      if (o.from == o.to) return o.walk.gather(o.data, begin, count, buffer[i]);
      if (o.dense) return convert(o.data + begin * std::int64_t(size_of(o.from)), o.from, buffer[i], o.to, count);
      o.walk.gather(o.data, begin, count, raw);
      convert(raw, o.from, buffer[i], o.to, count);
    };
    for (int i = 0; i < arity; ++i) {
      const Operand& o = operands[i];
      if (o.how == Operand::splat) tapir::detail::convert(o.data, o.from, 0, buffer[i], o.to, std::min(n, step));
      if (o.how == Operand::gathered && period && o.walk.period() > 0 && period % o.walk.period() == 0)
        load(i, 0, std::min(n, step));
      p[i] = buffer[i];
    }
    for (std::int64_t t = first; t < last; ++t) {
      std::int64_t begin = t * step, count = std::min(step, n - begin);
      for (int i = 0; i < arity; ++i) {
        const Operand& o = operands[i];
        if (o.how == Operand::direct) p[i] = o.data + begin * std::int64_t(size_of(o.to));
        else if (o.how == Operand::gathered && !(period && o.walk.period() > 0 && period % o.walk.period() == 0))
          load(i, begin, count);
      }
      std::byte* o = out.mutable_data<std::byte>() + begin * std::int64_t(size_of(stored));
      if (narrow) {
        tile(p, result, count, functor);
        convert(result, compute, o, stored, count);
      } else {
        tile(p, o, count, functor);
      }
    }
  });
}

}  // namespace tapir::cpu
