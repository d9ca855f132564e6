#include <tapir/ops/create.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/shape_attrs.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir {
namespace {

struct NarrowAttrs {
  std::int64_t axis, start, length;
  template <class V>
  void visit(V&& v) {
    v("axis", axis), v("start", start), v("length", length);
  }
};

std::string shapes_of(Inputs in) {
  std::string s;
  for (std::size_t i = 0; i < std::min<std::size_t>(in.size(), 4); ++i) s += (i ? ", " : "") + in[i].shape().str();
  return in.size() > 4 ? s + ", ..." : s;
}

Shape without(const Shape& s, int axis) {
  Shape r = s;
  r.erase(axis);
  return r;
}

const OpDef concat_op = {
    .name = "concat",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          const int axis = int(a.as<JoinAttrs>().axis);
          Spec s{in[0].shape(), in[0].dtype()};
          for (std::size_t i = 1; i < in.size(); ++i) {
            const Shape& t = in[i].shape();
            if (t.rank() != s.shape.rank() || !(without(t, axis) == without(s.shape, axis)))
              throw ShapeError(fmt::format("concat: shapes may differ along axis {} only ({}).", axis, shapes_of(in)));
            s.shape[axis] += t[axis];
          }
          out.push_back(s);
        },
    .kernel = {cpu::join},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto axis = n.attrs.as<JoinAttrs>().axis;
      Tensors dx(n.inputs.size());
      std::int64_t start = 0;
      for (std::size_t i = 0; i < n.inputs.size(); ++i) {
        const std::int64_t length = n.inputs[i].shape()[int(axis)];
        if (n.wants(int(i))) dx[i] = narrow(dy[0], axis, start, length);
        start += length;
      }
      return dx;
    },
    .attrs = &attrs_type<JoinAttrs>,
};

const OpDef stack_op = {
    .name = "stack",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          Spec s{in[0].shape(), in[0].dtype()};
          for (std::size_t i = 1; i < in.size(); ++i)
            if (!(in[i].shape() == s.shape))
              throw ShapeError(
                  fmt::format("stack: shapes must be equal, {} vs {}.", s.shape.str(), in[i].shape().str()));
          s.shape.insert(int(a.as<JoinAttrs>().axis), std::int64_t(in.size()));
          out.push_back(s);
        },
    .kernel = {cpu::join},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      std::vector<Tensor> parts = unstack(dy[0], {.axis = n.attrs.as<JoinAttrs>().axis});
      Tensors dx;
      for (auto& p : parts) dx.push_back(p);
      return dx;
    },
    .attrs = &attrs_type<JoinAttrs>,
};

// dy with zeros where nothing flows.
std::vector<Tensor> filled(const Node& n, std::span<const Tensor> dy) {
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < dy.size(); ++i) all.push_back(dy[i].defined() ? dy[i] : zeros_like(n.outputs[i]));
  return all;
}

// To `count` equal parts, or to `sizes` if count is 0.
const OpDef split_op = {
    .name = "split",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          const auto& s = a.as<SplitAttrs>();
          Spec part{in[0].shape(), in[0].dtype()};
          const std::int64_t parts = s.count ? s.count : s.sizes.rank();
          for (std::int64_t i = 0; i < parts; ++i) {
            part.shape[int(s.axis)] = s.count ? in[0].shape()[int(s.axis)] / s.count : s.sizes[int(i)];
            out.push_back(part);
          }
        },
    .kernel = {cpu::split},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {concat(filled(n, dy), {.axis = n.attrs.as<SplitAttrs>().axis})};
    },
    .attrs = &attrs_type<SplitAttrs>,
};

const OpDef unstack_op = {
    .name = "unstack",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          const auto& s = a.as<SplitAttrs>();
          for (std::int64_t i = 0; i < s.count; ++i)
            out.push_back({without(in[0].shape(), int(s.axis)), in[0].dtype()});
        },
    .kernel = {cpu::split},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {stack(filled(n, dy), {.axis = n.attrs.as<SplitAttrs>().axis})};
    },
    .attrs = &attrs_type<SplitAttrs>,
};

const OpDef narrow_op = {
    .name = "narrow",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          const auto& n = a.as<NarrowAttrs>();
          const Shape& s = in[0].shape();
          if (n.start < 0 || n.length < 0 || n.start > s[int(n.axis)] - n.length)
            throw ShapeError(fmt::format("narrow: {} elements from {} on do not exist along axis {} ({}).", n.length,
                                         n.start, n.axis, s.str()));
          Shape r = s;
          r[int(n.axis)] = n.length;
          out.push_back({r, in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto& a = n.attrs.as<NarrowAttrs>();
      Paddings widths(std::size_t(dy[0].rank()));
      widths[std::size_t(a.axis)] = {a.start, n.in(0).shape()[int(a.axis)] - a.start - a.length};
      return {pad(dy[0], widths)};
    },
    .view =
        [](const Tensor& x, const Spec& out, Attrs a) {
          const auto& n = a.as<NarrowAttrs>();
          return x.view_as(out.shape, x.strides(), out.shape.size() ? n.start * x.strides()[int(n.axis)] : 0);
        },
    .attrs = &attrs_type<NarrowAttrs>,
};

// The list in one dtype, C++ numbers adapting to the rest.
std::vector<Tensor> promoted(const char* op, const std::vector<Tensor>& xs) {
  if (xs.empty()) throw UsageError(fmt::format("{}: the list of tensors is empty.", op));
  bool any = false;
  DType d = DType::f32;
  for (auto& x : xs) {
    if (!x.defined()) throw UsageError(fmt::format("{}: the list holds an undefined tensor.", op));
    if (x.is_weak()) continue;
    if (!any) d = x.dtype(), any = true;
    else if (DType before = d; !promote(d, x.dtype(), d))
      throw DTypeError(fmt::format("{}: dtypes differ, {} vs {}. Cast one side: y.astype(DType::{}).", op,
                                   name_of(before), name_of(x.dtype()),
                                   before == DType::boolean ? "boolean" : name_of(before)));
  }
  if (!any)
    d = xs[0].dtype() == DType::i64 ? DType::i32 : xs[0].dtype() == DType::boolean ? DType::boolean : DType::f32;
  std::vector<Tensor> out;
  for (auto& x : xs) out.push_back(astype(x, d));
  return out;
}

std::vector<Tensor> to_vector(const Tensors& ts) { return {ts.begin(), ts.end()}; }

// Sizes beyond what attributes can hold are cut in two steps: into groups, then each group.
std::vector<Tensor> split_sizes(const Tensor& x, std::span<const std::int64_t> sizes, int axis, const Where& w) {
  constexpr std::size_t most = Shape::max_rank;
  if (sizes.size() <= most) return to_vector(apply_all(split_op, {x}, SplitAttrs{axis, 0, Shape(sizes)}, w));
  const std::size_t per = (sizes.size() + most - 1) / most;
  Shape groups;
  for (std::size_t i = 0; i < sizes.size(); i += per) {
    std::int64_t sum = 0;
    for (auto s : sizes.subspan(i, std::min(per, sizes.size() - i))) sum += s;
    groups.push_back(sum);
  }
  std::vector<Tensor> out;
  std::size_t at = 0;
  for (auto& group : split_sizes(x, groups.dims(), axis, w)) {
    auto own = sizes.subspan(at, std::min(per, sizes.size() - at));
    at += own.size();
    for (auto& t : split_sizes(group, own, axis, w)) out.push_back(t);
  }
  return out;
}

}  // namespace

Tensor concat(const std::vector<Tensor>& xs, AxisOptions o, Where w) {
  CallSite site(w);
  std::vector<Tensor> all = promoted("concat", xs);
  if (all[0].rank() == 0) throw ShapeError("concat: a scalar has no axis to join along. Use stack.");
  const int axis = check_axis("concat", o.axis, all[0].rank());
  return apply(concat_op, Inputs(refs_of(all)), JoinAttrs{axis, false}, w);
}

Tensor stack(const std::vector<Tensor>& xs, AxisOptions o, Where w) {
  CallSite site(w);
  std::vector<Tensor> all = promoted("stack", xs);
  const int axis = check_axis("stack", o.axis, all[0].rank() + 1);
  return apply(stack_op, Inputs(refs_of(all)), JoinAttrs{axis, true}, w);
}

std::vector<Tensor> unstack(const Tensor& x, AxisOptions o, Where w) {
  CallSite site(w);
  const int axis = check_axis("unstack", o.axis, x.rank());
  return to_vector(apply_all(unstack_op, {x}, SplitAttrs{axis, x.shape()[axis], {}, true}, w));
}

std::vector<Tensor> split(const Tensor& x, std::int64_t parts, AxisOptions o, Where w) {
  CallSite site(w);
  const int axis = check_axis("split", o.axis, x.rank());
  if (parts < 1) throw UsageError(fmt::format("split: needs at least 1 part, got {}.", parts));
  if (x.shape()[axis] % parts)
    throw ShapeError(fmt::format("split: axis {} has size {}, which is not a multiple of {} ({}).", axis,
                                 x.shape()[axis], parts, x.shape().str()));
  return to_vector(apply_all(split_op, {x}, SplitAttrs{axis, parts, {}}, w));
}

std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, AxisOptions o, Where w) {
  CallSite site(w);
  const int axis = check_axis("split", o.axis, x.rank());
  std::vector<std::int64_t> s = sizes;
  std::int64_t sum = 0, *rest = nullptr;
  for (auto& v : s) {
    if (v == -1 && !rest) rest = &v;
    else if (v < 0) throw ShapeError(fmt::format("split: a part of size {} cannot be.", v));
    else sum += v;
  }
  if (rest) *rest = x.shape()[axis] - sum;
  if (s.empty() || (rest ? *rest < 0 : sum != x.shape()[axis]))
    throw ShapeError(fmt::format("split: the sizes sum to {}, but axis {} has size {} ({}).", sum, axis,
                                 x.shape()[axis], x.shape().str()));
  return split_sizes(x, s, axis, w);
}

Tensor narrow(const Tensor& x, std::int64_t axis, std::int64_t start, std::int64_t length, Where w) {
  CallSite site(w);
  const int a = check_axis("narrow", axis, x.rank());
  return apply(narrow_op, {x}, NarrowAttrs{a, start < 0 ? start + x.shape()[a] : start, length}, w);
}

Tensor tile(const Tensor& x, const Shape& reps, Where w) {
  CallSite site(w);
  const int rank = std::max(x.rank(), reps.rank());
  Shape size = Shape::filled(rank, 1), times = size;
  for (int i = 0; i < x.rank(); ++i) size[rank - x.rank() + i] = x.shape()[i];
  for (int i = 0; i < reps.rank(); ++i) {
    if (reps[i] < 0)
      throw ShapeError(fmt::format("tile: negative number of repetitions, {} along axis {}.", reps[i], i));
    times[rank - reps.rank() + i] = reps[i];
  }
  Tensor y = reshape(x, size, w);
  // [.., d, ..] seen as [.., 1, d, ..], broadcast to [.., n, d, ..] and merged; neighbours that stay are one dimension.
  for (int done = rank; done > 0;) {
    Shape from, to;
    std::int64_t tail = 1;
    for (int i = done; i < rank; ++i) tail *= y.shape()[i];
    std::int64_t run = tail;
    while (done > 0 && from.rank() + 4 <= Shape::max_rank) {
      --done;
      if (times[done] == 1) {
        run *= size[done];
        continue;
      }
      if (run != 1) from.insert(0, run), to.insert(0, run);
      from.insert(0, size[done]), to.insert(0, size[done]);
      from.insert(0, 1), to.insert(0, times[done]);
      run = 1;
    }
    std::int64_t head = run;
    for (int i = 0; i < done; ++i) head *= size[i];
    from.insert(0, head), to.insert(0, head);
    Shape result = y.shape();
    y = broadcast_to(reshape(y, from, w), to, w);  // refuses what is too large
    for (int i = done; i < rank; ++i) result[i] = size[i] * times[i];
    y = reshape(y, result, w);
  }
  return y;
}

Tensor repeat(const Tensor& x, std::int64_t n, AxisOptions o, Where w) {
  CallSite site(w);
  const int axis = check_axis("repeat", o.axis, x.rank());
  if (n < 0) throw ShapeError(fmt::format("repeat: negative number of repetitions {}.", n));
  std::int64_t head = 1, tail = 1;
  for (int i = 0; i < axis; ++i) head *= x.shape()[i];
  for (int i = axis + 1; i < x.rank(); ++i) tail *= x.shape()[i];
  const std::int64_t d = x.shape()[axis];
  Shape result = x.shape();
  result[axis] = d * n;
  return reshape(broadcast_to(reshape(x, {head, d, 1, tail}, w), {head, d, n, tail}, w), result, w);
}

void list_joining(std::vector<const OpDef*>& out) {
  for (auto* o : {&concat_op, &stack_op, &split_op, &unstack_op, &narrow_op}) out.push_back(o);
}

}  // namespace tapir
