// Runs tile programs: feeds each step with runs of memory in the dtype that it computes in. Operands that are
// broadcast, strided or of another dtype are gathered into an L1-sized buffer first.
#include <tapir/backends/cpu/column_sums.h>
#include <tapir/backends/cpu/epilogue.h>
#include <tapir/backends/cpu/half_loops.h>
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/reduce.h>
#include <tapir/backends/cpu/strided.h>
#include <tapir/ops/tile_program.h>
#include <tapir/tensor/convert.h>

#include <array>
#include <memory>

namespace tapir::cpu {
namespace {

using i64 = std::int64_t;
constexpr i64 kLongest = 1024, kShortest = 256, kBudget = 24 << 10;  // elements, elements, bytes of L1 to fill
constexpr i64 kPart = 1 << 16;                                       // elements that are summed to one partial result

struct Source {
  enum { direct, splat, gathered } how;
  bool dense;  // gathered for its dtype alone
  DType from, to;
  i64 item;  // bytes of `to`
  const std::byte* data;
  Strided walk;
};

struct Step {
  TileFn tile;  // null: a cast
  const void* functor;
  int arity;
  DType from, to;
};

struct Sink {
  std::byte* data;
  DType stored, computed;
};

// Every element of t is the same one: a scalar, or one broadcast by a view.
bool one_value(const Tensor& t) {
  if (t.size() == 1) return true;
  for (int i = 0; i < t.rank(); ++i)
    if (t.strides()[i] != 0 && t.shape()[i] != 1) return false;
  return true;
}

const ReduceFns::Entry& sum_of(DType d) {
#if TAPIR_TOP_ISA >= 4
  if (isa() == Isa::v4) return v4::reduce_fns.fold[int(Fold::sum)][int(d)];
#endif
#if TAPIR_TOP_ISA >= 3
  if (isa() == Isa::v3) return v3::reduce_fns.fold[int(Fold::sum)][int(d)];
#endif
  return v2::reduce_fns.fold[int(Fold::sum)][int(d)];
}

// A program bound to the tensors of one call.
struct Bound {
  const TileProgram& p;
  Source source[TileProgram::max_sources];
  Step step[TileProgram::max_steps];
  Sink sink[TileProgram::max_sinks];
  i64 n, length, item = 1, cost = 0;  // length: elements of a tile; item: bytes of the widest register
  i64 period = 0;                     // of trailing broadcasts, which are gathered once

  Bound(const TileProgram& program, Inputs in, std::span<const Tensor> out);
  bool repeats(const Source& s) const { return period && s.walk.period() > 0 && period % s.walk.period() == 0; }
};

Bound::Bound(const TileProgram& program, Inputs in, std::span<const Tensor> out) : p(program), n(program.shape.size()) {
  int buffers = p.slots;
  for (int i = 0; i < p.sources; ++i) {
    const Tensor& t = in[p.source[i].input];
    Source& s = source[i];
    s.data = t.data<std::byte>();
    s.from = t.dtype(), s.to = p.source[i].to;
    s.item = i64(size_of(s.to));
    item = std::max(item, s.item);
    s.dense = t.is_contiguous() && t.size() == n;
    if (n != 1 && one_value(t)) s.how = Source::splat;
    else if (s.from == s.to && s.dense) s.how = Source::direct;
    else s.how = Source::gathered;
    buffers += s.how != Source::direct;
  }
  for (int k = 0; k < p.steps; ++k) {
    const TileProgram::Step& from = p.step[k];
    Step& s = step[k];
    s.from = p.dtype_of(from.in[0]), s.to = p.dtype_of(p.sources + k);
    item = std::max(item, i64(size_of(s.to)));
    if (const TileOp* op = from.op->tile) {
      s.tile = op->isa[int(isa())]->by_dtype[int(from.compute)];
      if (!s.tile)
        throw DTypeError(std::string(from.op->name) + ": not defined for " + tapir::name_of(from.compute) + ".");
      s.functor = from.functor, s.arity = op->arity;
      cost += op->cost + 2;
    } else {
      s.tile = nullptr, s.arity = 1;
      cost += 4;
    }
  }
  for (int k = 0; k < p.sinks; ++k)
    sink[k] = {out[std::size_t(k)].mutable_data<std::byte>(), out[std::size_t(k)].dtype(), p.dtype_of(p.sink[k].reg)};

  length = kBudget / item / std::max(1, buffers) / 64 * 64;
  length = std::min(kLongest, std::max(kShortest, length));
  // A tile length that is a multiple of the period of trailing broadcasts.
  for (int i = 0; i < p.sources; ++i) {
    if (source[i].how != Source::gathered) continue;
    source[i].walk = Strided(p.shape, in[p.source[i].input]);
    const i64 q = source[i].walk.period();
    if (q > 0 && q <= kLongest && (period == 0 || period % q == 0 || q % period == 0)) period = std::max(period, q);
  }
  if (p.sum != TileProgram::Sum::none && p.inner <= kLongest) length = std::max<i64>(1, length / p.inner) * p.inner;
  if (period) length = length % period == 0 ? length : std::max<i64>(1, length / period) * period;
}

// Walks tiles on one thread.
class Worker {
 public:
  explicit Worker(const Bound& b) : b_(b), slot_bytes_((std::min(b.length, b.n) * b.item + 63) / 64 * 64) {
    const TileProgram& p = b.p;
    i64 bytes = slot_bytes_ * p.slots;
    for (int i = 0; i < p.sources; ++i) bytes += b.source[i].how == Source::direct ? 0 : slot_bytes_;
    bytes += 2 * slot_bytes_;  // what is gathered before it is converted; what is narrowed or summed
    if (bytes > i64(sizeof stack_)) heap_ = tapir::detail::allocate_bytes(std::size_t(heap_bytes_ = bytes));
    std::byte* at = heap_ ? static_cast<std::byte*>(heap_) : stack_;
    auto take = [&] { return std::exchange(at, at + slot_bytes_); };
    raw_ = take(), narrow_ = take();
    const i64 most = std::min(b.length, b.n);
    for (int i = 0; i < p.sources; ++i) {
      const Source& s = b.source[i];
      if (s.how == Source::direct) continue;
      reg_[i] = take();
      if (s.how == Source::splat) tapir::detail::convert(s.data, s.from, 0, reg_[i], s.to, most);
      else if (b.repeats(s)) load(i, 0, most);
    }
    std::byte* slots = at;
    for (int k = 0; k < p.steps; ++k)
      reg_[p.sources + k] = p.step[k].slot == TileProgram::no_slot ? nullptr : slots + p.step[k].slot * slot_bytes_;
  }
  ~Worker() {
    if (heap_) tapir::detail::free_bytes(heap_, std::size_t(heap_bytes_));
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Elements [begin, begin + count) through all steps; the stores among the sinks.
  void run(i64 begin, i64 count) {
    const TileProgram& p = b_.p;
    for (int i = 0; i < p.sources; ++i) {
      const Source& s = b_.source[i];
      if (s.how == Source::direct) reg_[i] = const_cast<std::byte*>(s.data) + begin * s.item;
      else if (s.how == Source::gathered && (!b_.repeats(s) || begin % b_.period)) load(i, begin, count);
    }
    for (int k = 0; k < p.sinks; ++k) {
      const Sink& s = b_.sink[k];
      if (!p.sink[k].sum && p.step[p.sink[k].reg - p.sources].slot == TileProgram::no_slot)
        reg_[p.sink[k].reg] = s.stored == s.computed ? s.data + begin * i64(size_of(s.stored)) : narrow_;
    }
    for (int k = 0; k < p.steps; ++k) {
      const Step& s = b_.step[k];
      const void* in[max_tile_inputs];
      for (int i = 0; i < s.arity; ++i) in[i] = reg_[p.step[k].in[i]];
      if (s.tile) s.tile(in, reg_[p.sources + k], count, s.functor);
      else convert(in[0], s.from, reg_[p.sources + k], s.to, count);
    }
    for (int k = 0; k < p.sinks; ++k) {
      const Sink& s = b_.sink[k];
      if (!p.sink[k].sum && s.stored != s.computed)
        convert(narrow_, s.computed, s.data + begin * i64(size_of(s.stored)), s.stored, count);
    }
  }
  const void* reg(int r) const { return reg_[r]; }
  // [begin, end), tile by tile.
  void walk(i64 begin, i64 end) {
    for (; begin < end; begin += b_.length) run(begin, std::min(b_.length, end - begin));
  }

 private:
  void load(int i, i64 begin, i64 count) {
    const Source& s = b_.source[i];
    if (s.from == s.to) return s.walk.gather(s.data, begin, count, reg_[i]);
    if (s.dense) return convert(s.data + begin * i64(size_of(s.from)), s.from, reg_[i], s.to, count);
    s.walk.gather(s.data, begin, count, raw_);
    convert(raw_, s.from, reg_[i], s.to, count);
  }

  const Bound& b_;
  i64 slot_bytes_, heap_bytes_ = 0;
  void* heap_ = nullptr;
  std::byte *raw_, *narrow_;
  std::byte* reg_[TileProgram::max_sources + TileProgram::max_steps];
  alignas(64) std::byte stack_[16 << 10];
};

void store_only(const Bound& b) {
  const i64 tiles = (b.n + b.length - 1) / b.length;
  const i64 grain = std::max<i64>(2048, 250'000 / std::max<i64>(1, b.cost));
  parallel_for(tiles, std::max<i64>(1, grain / b.length),
               [&](i64 first, i64 last) { Worker(b).walk(first * b.length, std::min(last * b.length, b.n)); });
}

// Sums over parts of a fixed size, joined in order, so that results do not depend on the number of threads.
void with_sums(const Bound& b) {
  const TileProgram& p = b.p;
  const bool over_inner = p.sum == TileProgram::Sum::over_inner;
  const i64 results = over_inner ? p.outer : p.inner;
  // A part is some whole rows, or where a row that is summed is long, a piece of it. All begin where a period does.
  const i64 piece = kPart / b.length * b.length;
  const i64 rows = p.inner <= b.length ? piece / p.inner : std::max<i64>(1, piece / p.inner);
  const i64 pieces = over_inner && p.inner > piece ? (p.inner + piece - 1) / piece : 1;
  const i64 parts = (p.outer + rows - 1) / rows * pieces;
  const i64 copies = over_inner ? pieces : parts;  // partial results of each result
  Tensor partial = Tensor::empty({p.sinks, copies, results}, DType::f64);
  double* sums = partial.mutable_data<double>();
  std::fill_n(sums, partial.size(), 0.0);

  parallel_for(parts, 1, [&](i64 first, i64 last) {
    Worker w(b);
    double some[kLongest];
    std::array<std::unique_ptr<ColumnSums>, TileProgram::max_sinks> columns;
    for (i64 part = first; part < last; ++part) {
      const i64 row = part / pieces * rows, row_end = std::min(row + rows, p.outer);
      const i64 from = part % pieces * piece;
      const i64 begin = row * p.inner + from,
                end = pieces > 1 ? begin + std::min(piece, p.inner - from) : row_end * p.inner;
      auto sums_of = [&](int k) { return sums + (k * copies + (over_inner ? part % pieces : part)) * results; };
      for (int k = 0; k < p.sinks && !over_inner; ++k)
        if (p.sink[k].sum)
          columns[std::size_t(k)] = std::make_unique<ColumnSums>(p.dtype_of(p.sink[k].reg), p.inner, sums_of(k));
      for (i64 at = begin; at < end;) {
        // Whole rows, or a piece of one.
        const i64 column = at % p.inner;
        const i64 count =
            p.inner <= b.length ? std::min(b.length, end - at) : std::min({b.length, p.inner - column, end - at});
        w.run(at, count);
        const i64 height = p.inner <= b.length ? count / p.inner : 1, width = count / height;
        for (int k = 0; k < p.sinks; ++k) {
          if (!p.sink[k].sum) continue;
          if (!over_inner) {
            columns[std::size_t(k)]->add(w.reg(p.sink[k].reg), count);
            continue;
          }
          Reduction r{w.reg(p.sink[k].reg), {}, {}, width, 1, nullptr, some};
          r.kept.rank = 1, r.kept.size[0] = height, r.kept.in[0] = width, r.kept.out[0] = 1;
          sum_of(p.dtype_of(p.sink[k].reg)).rows(r, 0, height);
          double* to = sums_of(k) + at / p.inner;
          for (i64 i = 0; i < height; ++i) to[i] += some[i];
        }
        at += count;
      }
      for (auto& c : columns) c.reset();
    }
  });
  for (int k = 0; k < p.sinks; ++k) {
    if (!p.sink[k].sum) continue;
    double* s = sums + k * copies * results;
    for (i64 c = 1; c < copies; ++c)
      for (i64 i = 0; i < results; ++i) s[i] += s[c * results + i];
    convert(s, DType::f64, b.sink[k].data, b.sink[k].stored, results);
  }
}

}  // namespace

void run_tiles(const TileProgram& p, Inputs in, std::span<const Tensor> out) {
  const Bound b(p, in, out);
  if (p.sum == TileProgram::Sum::none) store_only(b);
  else with_sums(b);
}

struct Epilogue::State {
  Bound bound;
};
Epilogue::Epilogue(const TileProgram& p, Inputs in, std::span<const Tensor> out)
    : state_(new State{Bound(p, in, out)}) {}
Epilogue::~Epilogue() = default;
void Epilogue::operator()(i64 begin, i64 count) const { Worker(state_->bound).walk(begin, begin + count); }
void Epilogue::over_all() const { store_only(state_->bound); }

void tile_program(const Call& call) { run_tiles(*call.attrs.as<TileProgramAttrs>().program, call.in, call.out); }

}  // namespace tapir::cpu
