// Plans a reduction: which dimensions to walk in which order, and how to share the work among threads.
#include <tapir/backends/cpu/isa.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/backends/cpu/reduce.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/shaping.h>

#include <limits>
#include <utility>

namespace tapir::cpu {
namespace {

const ReduceFns& fns() {
  switch (isa()) {
#if TAPIR_TOP_ISA >= 4
    case Isa::v4:
      return v4::reduce_fns;
#endif
#if TAPIR_TOP_ISA >= 3
    case Isa::v3:
      return v3::reduce_fns;
#endif
    default:
      return v2::reduce_fns;
  }
}

struct Dim {
  std::int64_t size, in, out;
  bool reduced;
};

// The dimensions of x that matter, largest stride first, repeats (stride 0) before all, neighbours merged.
int dims_of(const Tensor& x, const Shape& axes, Dim* dims) {
  if (axes.rank() == x.rank() && x.is_contiguous()) {
    dims[0] = {x.size(), 1, 0, true};
    return x.size() != 1;
  }
  bool gone[Shape::max_rank] = {};
  for (auto a : axes) gone[a] = true;
  Dim all[Shape::max_rank];
  std::int64_t out = 1;
  for (int i = x.rank() - 1; i >= 0; --i) {
    all[i] = {x.shape()[i], x.strides()[i], gone[i] ? 0 : out, gone[i]};
    if (!gone[i]) out *= x.shape()[i];
  }
  auto rank_of = [](const Dim& d) { return d.in == 0 ? std::numeric_limits<std::int64_t>::max() : std::abs(d.in); };
  if (!x.is_contiguous())
    std::stable_sort(all, all + x.rank(), [&](const Dim& a, const Dim& b) { return rank_of(a) > rank_of(b); });
  int n = 0;
  for (int i = 0; i < x.rank(); ++i) {
    const Dim& d = all[i];
    if (d.size == 1) continue;
    Dim* last = n ? &dims[n - 1] : nullptr;
    if (last && last->reduced == d.reduced && last->in == d.in * d.size && last->out == d.out * d.size) {
      last->size *= d.size, last->in = d.in, last->out = d.out;
    } else {
      dims[n++] = d;
    }
  }
  return n;
}

void fill_with_identity(Fold fold, const Tensor& y) {
  double v = fold == Fold::prod || fold == Fold::all ? 1 : 0;
  visit_dtype(y.dtype(), [&](auto t) {
    using T = decltype(t);
    std::fill_n(y.mutable_data<T>(), y.size(), T(v));
  });
}

constexpr std::int64_t kPart = 1 << 16;  // elements that are worth a thread
constexpr std::int64_t kUnits = 64;      // with fewer units than this the reduced range is split as well

// Cuts the longest reduced loop into parts of about kPart elements, joined in order afterwards.
void run_split(const Reduction& r, const ReduceFns::Entry& f, bool columns, std::int64_t item, std::int64_t units,
               std::int64_t total) {
  int longest = -1;  // -1: the innermost, if it is reduced
  std::int64_t length = columns ? 0 : r.inner;
  for (int i = 0; i < r.reduced.rank; ++i)
    if (r.reduced.size[i] > length) longest = i, length = r.reduced.size[i];
  const std::int64_t wanted = std::min({total / kPart, (2 * kUnits + units - 1) / units, length});
  const std::int64_t chunk = (length + wanted - 1) / wanted, parts = (length + chunk - 1) / chunk;
  const std::int64_t results = r.kept.count() * (columns ? r.inner : 1);
  Tensor scratch = Tensor::empty({parts * results * f.wide}, DType::u8);
  parallel_for(parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t p = first; p < last; ++p) {
      Reduction part = r;
      const std::int64_t begin = p * chunk, step = longest < 0 ? 1 : r.reduced.in[longest];
      (longest < 0 ? part.inner : part.reduced.size[longest]) = std::min(chunk, length - begin);
      part.in = static_cast<const std::byte*>(r.in) + begin * step * item;
      part.partial = scratch.mutable_data<std::byte>() + p * results * f.wide;
      (columns ? f.columns : f.rows)(part, 0, units);
    }
  });
  Reduction all = r;
  all.partial = scratch.mutable_data<std::byte>();
  f.join(all, parts, columns);
}

void reduce(const Call& call, Fold fold) {
  const Tensor& y = call.out[0];
  Tensor x = call.in[0];
  if (x.size() == 0) return fill_with_identity(fold, y);
  const ReduceFns::Entry& f = fns().fold[int(fold)][int(x.dtype())];
  if (!f.rows) throw InternalError(std::string(call.op.name) + ": no loop for " + tapir::name_of(x.dtype()) + ".");
  const Shape& axes = call.attrs.as<ReduceAttrs>().axes;
  Dim dims[Shape::max_rank];
  int n = dims_of(x, axes, dims);
  if (n && dims[n - 1].in != 1) {
    Tensor dense = Tensor::empty(x.shape(), x.dtype(), x.device());
    cast_into(x, dense);
    x = dense;
    n = dims_of(x, axes, dims);
  }

  Reduction r;
  r.in = x.data<std::byte>(), r.out = y.mutable_data<std::byte>(), r.partial = nullptr;
  const bool columns = n && !dims[n - 1].reduced;
  r.inner = n ? dims[n - 1].size : 1, r.inner_out = n ? dims[n - 1].out : 0;
  for (int i = 0; i + 1 < n; ++i) {
    Loops& l = dims[i].reduced ? r.reduced : r.kept;
    l.size[l.rank] = dims[i].size, l.in[l.rank] = dims[i].in, l.out[l.rank++] = dims[i].out;
  }
  const std::int64_t total = x.size();
  const std::int64_t units = r.kept.count() * (columns ? (r.inner + column_block - 1) / column_block : 1);
  if (total < 2 * kPart) return (columns ? f.columns : f.rows)(r, 0, units);
  const bool any_reduced = !columns || r.reduced.rank;
  if (units < kUnits && any_reduced) return run_split(r, f, columns, std::int64_t(size_of(x.dtype())), units, total);
  parallel_for(units, std::max<std::int64_t>(1, kPart * units / total),
               [&](std::int64_t b, std::int64_t e) { (columns ? f.columns : f.rows)(r, b, e); });
}

// x contiguous, seen as [outer, n, inner] around the axis; a whole reduction is one axis.
void arg_reduce(const Call& call, bool largest) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const Shape& axes = call.attrs.as<ReduceAttrs>().axes;
  AroundAxis a = axes.rank() == 1 ? AroundAxis(x.shape(), int(axes[0])) : AroundAxis({x.size()}, 0);
  ArgFn f = fns().arg[largest][int(x.dtype())];
  auto* index = y.mutable_data<std::int64_t>();
  auto* data = x.data<std::byte>();
  const std::int64_t row = a.n * a.inner, parts = a.n / kPart;
  if (a.outer > 1 || a.inner > 1 || parts < 2) {
    parallel_for(a.outer, std::max<std::int64_t>(1, kPart / row),
                 [&](std::int64_t b, std::int64_t e) { f(data, a.n, a.inner, b, e, index, nullptr); });
    return;
  }
  // One long row: the best of each part, then the best of those.
  const std::int64_t chunk = (a.n + parts - 1) / parts, item = std::int64_t(size_of(x.dtype()));
  Tensor best = Tensor::empty({parts}, x.dtype()), at = Tensor::empty({parts}, DType::i64);
  parallel_for(parts, 1, [&](std::int64_t b, std::int64_t e) {
    for (std::int64_t p = b; p < e; ++p)
      f(data + p * chunk * item, std::min(chunk, a.n - p * chunk), 1, 0, 1, at.mutable_data<std::int64_t>() + p,
        best.mutable_data<std::byte>() + p * item);
  });
  std::int64_t winner;
  f(best.data<std::byte>(), parts, 1, 0, 1, &winner, nullptr);
  *index = winner * chunk + at.data<std::int64_t>()[winner];
}

}  // namespace

void sum(const Call& call) { reduce(call, Fold::sum); }
void prod(const Call& call) { reduce(call, Fold::prod); }
void min(const Call& call) { reduce(call, Fold::min); }
void max(const Call& call) { reduce(call, Fold::max); }
void any(const Call& call) { reduce(call, Fold::any); }
void all(const Call& call) { reduce(call, Fold::all); }
void argmin(const Call& call) { arg_reduce(call, false); }
void argmax(const Call& call) { arg_reduce(call, true); }

}  // namespace tapir::cpu
