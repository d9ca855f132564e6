#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/gather.h>
#include <tapir/ops/gather_attrs.h>
#include <tapir/ops/index.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir {
namespace {

Tensor slice_gradient(const Tensor& dy, const SliceAttrs& a, const Shape& shape);

const OpDef slice_op = {
    .name = "strided_slice",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<SliceAttrs>();
          const Shape& s = in[0].shape();
          if (a.begin.rank() != s.rank() || a.size.rank() != s.rank() || a.step.rank() != s.rank())
            throw ShapeError(
                fmt::format("strided_slice: begin {}, size {} and step {} must have one value for each of the {} "
                            "dimensions of {}.",
                            a.begin.str(), a.size.str(), a.step.str(), s.rank(), s.str()));
          for (int i = 0; i < s.rank(); ++i) {
            std::int64_t last = a.begin[i] + (a.size[i] - 1) * a.step[i];
            if (a.size[i] < 0 || (a.size[i] > 0 && (a.begin[i] < 0 || a.begin[i] >= s[i] || last < 0 || last >= s[i])))
              throw ShapeError(fmt::format("strided_slice: begin {}, size {}, step {} leave dimension {} of {}.",
                                           a.begin[i], a.size[i], a.step[i], i, s.str()));
          }
          out.push_back({a.size, in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {slice_gradient(dy[0], n.attrs.as<SliceAttrs>(), n.in(0).shape())};
    },
    .view =
        [](const Tensor& x, const Spec&, Attrs attrs) {
          const auto& a = attrs.as<SliceAttrs>();
          Shape strides = x.strides();
          std::int64_t offset = 0;
          for (int i = 0; i < x.rank(); ++i) {
            offset += a.begin[i] * x.strides()[i];
            strides[i] *= a.step[i];
          }
          return x.view_as(a.size, strides, a.size.size() ? offset : 0);
        },
    .attrs = &attrs_type<SliceAttrs>,
};

// dy where the slice was taken, zero elsewhere.
const OpDef slice_gradient_op = {
    .name = "strided_slice_gradient",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          out.push_back({attrs.as<SliceGradientAttrs>().shape, in[0].dtype()});
        },
    .kernel = {cpu::strided_slice_gradient},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      const auto& a = n.attrs.as<SliceGradientAttrs>();
      return {strided_slice(dy[0], a.begin, a.size, a.step)};
    },
    .needs_contiguous = true,
    .attrs = &attrs_type<SliceGradientAttrs>,
};

Tensor slice_gradient(const Tensor& dy, const SliceAttrs& a, const Shape& shape) {
  return apply(slice_gradient_op, {dy}, SliceGradientAttrs{a.begin, a.size, a.step, shape}, Where::current());
}

// Python's slice.indices(): where to begin and how many.
void resolve(const Slice& s, std::int64_t n, std::int64_t& begin, std::int64_t& count) {
  if (s.step() == 0) throw ShapeError("index: the step of a slice must not be 0.");
  const bool back = s.step() < 0;
  auto clip = [&](const Slice::End& e, std::int64_t fallback) {
    if (!e.given) return fallback;
    std::int64_t v = e.value < 0 ? e.value + n : e.value;
    return std::clamp<std::int64_t>(v, back ? -1 : 0, back ? n - 1 : n);
  };
  begin = clip(s.start(), back ? n - 1 : 0);
  std::int64_t end = clip(s.stop(), back ? -1 : n), span = back ? begin - end : end - begin,
               step = back ? -s.step() : s.step();
  count = span > 0 ? (span + step - 1) / step : 0;
}

// The entries one per dimension of x (new axes aside): ellipsis and missing ones become full slices, bool tensors
// become the integer tensors of their true places.
std::vector<Index> expanded(const Tensor& x, std::span<const Index> entries) {
  int used = 0, ellipses = 0;
  for (auto& e : entries) {
    if (e.kind == Index::Kind::ellipsis) ++ellipses;
    else if (e.kind == Index::Kind::tensor && e.tensor.dtype() == DType::boolean) used += e.tensor.rank();
    else if (e.kind != Index::Kind::newaxis && e.kind != Index::Kind::absent) ++used;
  }
  if (ellipses > 1) throw UsageError("index: an index may hold only one ellipsis.");
  if (used > x.rank())
    throw ShapeError(fmt::format("index: {} indices for a tensor of rank {} ({}).", used, x.rank(), x.shape().str()));
  std::vector<Index> out;
  auto fill = [&] {
    for (int i = used; i < x.rank(); ++i) out.emplace_back(Slice());
  };
  int axis = 0;
  for (auto& e : entries) {
    if (e.kind == Index::Kind::absent) continue;
    if (e.kind == Index::Kind::ellipsis) {
      fill();
      axis += x.rank() - used;
    } else if (e.kind == Index::Kind::tensor && e.tensor.dtype() == DType::boolean) {
      for (int d = 0; d < e.tensor.rank(); ++d)
        if (e.tensor.shape()[d] != x.shape()[axis + d])
          throw ShapeError(fmt::format("index: a bool index of shape {} does not match dimensions {} to {} of {}.",
                                       e.tensor.shape().str(), axis, axis + e.tensor.rank() - 1, x.shape().str()));
      for (auto& t : nonzero(e.tensor)) out.emplace_back(t);
      axis += e.tensor.rank();
    } else {
      if (e.kind == Index::Kind::tensor && !is_integer(e.tensor.dtype()))
        throw DTypeError(
            fmt::format("index: a tensor index must be integers or bool, got {}. Cast it: "
                        "i.astype(DType::i64).",
                        name_of(e.tensor.dtype())));
      out.push_back(e);
      axis += e.kind != Index::Kind::newaxis;
    }
  }
  if (!ellipses) fill();
  return out;
}

std::int64_t checked(std::int64_t i, const Tensor& x, int axis) {
  std::int64_t n = x.shape()[axis];
  if (i < -n || i >= n)
    throw ShapeError(fmt::format("index: {} is out of range for dimension {} of {}.", i, axis, x.shape().str()));
  return i < 0 ? i + n : i;
}

// Picks by the tensors at `axes` of x, all of one broadcast shape; their place is taken by that shape.
Tensor pick(const Tensor& x, const std::vector<int>& axes, std::vector<Tensor> tensors) {
  Shape common;
  for (auto& t : tensors)
    if (!broadcast_shapes(common, t.shape(), common)) {
      std::string shapes;
      for (auto& u : tensors) shapes += (shapes.empty() ? "" : ", ") + u.shape().str();
      throw ShapeError(fmt::format("index: index tensors of shapes {} do not broadcast.", shapes));
    }
  bool adjacent = true;
  for (std::size_t i = 1; i < axes.size(); ++i) adjacent &= axes[i] == axes[i - 1] + 1;
  Axes order;
  Shape picked, rest;
  for (int a : axes) order.push_back(a), picked.push_back(x.shape()[a]);
  for (int i = 0; i < x.rank(); ++i)
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) order.push_back(i), rest.push_back(x.shape()[i]);
  Tensor front = permute_dims(x, order);
  for (auto& t : tensors) t = broadcast_to(astype(t.to(x.device()), DType::i64), common);
  Tensor places = tensors.size() == 1 ? tensors[0] : flat_index(stack(tensors, {.axis = -1}), picked);
  Tensor y = take(tensors.size() == 1 ? front : reshape(front, Shape{picked.size()}.concat(rest)), places, 0);
  if (!adjacent || axes[0] == 0) return y;
  Axes back;  // the picked dimensions move to where the first tensor stood
  int lead = axes[0], k = common.rank();
  for (int i = 0; i < lead; ++i) back.push_back(k + i);
  for (int i = 0; i < k; ++i) back.push_back(i);
  for (int i = k + lead; i < y.rank(); ++i) back.push_back(i);
  return permute_dims(y, back);
}

}  // namespace

Index::Index(std::initializer_list<std::int64_t> list, Where w)
    : kind(Kind::tensor), tensor(Tensor::from_memory(list.begin(), Shape{std::int64_t(list.size())}, w)), where(w) {}

const Index& detail::no_index() {
  static const Index absent;
  return absent;
}

Tensor strided_slice(const Tensor& x, const Shape& begin, const Shape& size, const Shape& step, Where w) {
  return apply(slice_op, {x}, SliceAttrs{begin, size, step}, w);
}

Tensor index_with(const Tensor& x, std::span<const Index> entries, Where w) {
  CallSite site(w);
  std::vector<Index> list = expanded(x, entries);
  bool any_tensor = std::any_of(list.begin(), list.end(), [](auto& e) { return e.kind == Index::Kind::tensor; });
  SliceAttrs a;
  Shape shape;            // after slicing, with integers dropped and new axes in
  std::vector<int> axes;  // of `shape`, where tensors pick
  std::vector<Tensor> tensors;
  int axis = 0;
  bool sliced = false;
  for (auto& e : list) {
    if (e.kind == Index::Kind::newaxis) {
      shape.push_back(1);
      continue;
    }
    std::int64_t begin = 0, count = x.shape()[axis], step = 1;
    if (e.kind == Index::Kind::integer && !any_tensor) {
      begin = checked(e.integer, x, axis);
      count = 1;
    } else {
      if (e.kind == Index::Kind::slice) {
        resolve(e.slice, x.shape()[axis], begin, count);
        step = e.slice.step();
      } else {  // beside tensors an integer picks as they do
        axes.push_back(shape.rank());
        tensors.push_back(e.kind == Index::Kind::tensor ? e.tensor : constant(checked(e.integer, x, axis)));
      }
      shape.push_back(count);
    }
    sliced |= begin != 0 || count != x.shape()[axis] || step != 1;
    a.begin.push_back(begin), a.size.push_back(count), a.step.push_back(step);
    ++axis;
  }
  Tensor y = sliced ? apply(slice_op, {x}, a, w) : x;
  if (!(y.shape() == shape)) y = reshape(y, shape);
  return any_tensor ? pick(y, axes, tensors) : y;
}

Tensor Tensor::operator[](const Index& i) const { return index_with(*this, {&i, 1}, i.where); }

Tensor Tensor::operator()(const Index& i0, const Index& i1, const Index& i2, const Index& i3, const Index& i4,
                          const Index& i5, const Index& i6, const Index& i7) const {
  const Index* all[] = {&i0, &i1, &i2, &i3, &i4, &i5, &i6, &i7};
  std::vector<Index> entries;
  for (auto* i : all)
    if (i->kind != Index::Kind::absent) entries.push_back(*i);
  return index_with(*this, entries, i0.where);
}

void list_index(std::vector<const OpDef*>& out) { out.push_back(&slice_op), out.push_back(&slice_gradient_op); }

}  // namespace tapir
