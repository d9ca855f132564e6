#include <tapir/ops/create.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/kernels.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/rearrange.h>
#include <tapir/ops/shape_attrs.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir {
namespace {

void need_matrices(const char* op, const Tensor& x) {
  if (x.rank() < 2) throw ShapeError(fmt::format("{}: needs at least 2 dimensions, got {}.", op, x.shape().str()));
}

// The length of the k-th diagonal of an [n, m] matrix.
std::int64_t diagonal_length(std::int64_t n, std::int64_t m, std::int64_t k) {
  return std::max<std::int64_t>(0, k >= 0 ? std::min(n, m - k) : std::min(n + k, m));
}

// The gradient: the diagonal put back among zeros, filled up where the matrix is not square.
Tensor embed_in(const Tensor& diagonal, const Shape& shape, std::int64_t k) {
  if (diagonal.size() == 0) return zeros(shape, diagonal.dtype());
  Tensor square = diag_embed(diagonal, k);  // has all rows and columns up to the last element
  Paddings widths(std::size_t(shape.rank()));
  for (int i = shape.rank() - 2; i < shape.rank(); ++i)
    widths[std::size_t(i)].second = std::max<std::int64_t>(0, shape[i] - square.shape()[i]);
  Tensor wide = pad(square, widths);
  for (int i = shape.rank() - 2; i < shape.rank(); ++i)
    if (wide.shape()[i] != shape[i]) wide = narrow(wide, i, 0, shape[i]);
  return wide;
}

const OpDef diagonal_op = {
    .name = "diagonal",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          need_matrices("diagonal", in[0]);
          const Shape& s = in[0].shape();
          Shape r = s.first(s.rank() - 2);
          r.push_back(diagonal_length(s.dim(-2), s.dim(-1), a.as<DiagonalAttrs>().offset));
          out.push_back({r, in[0].dtype()});
        },
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {embed_in(dy[0], n.in(0).shape(), n.attrs.as<DiagonalAttrs>().offset)};
    },
    .view =
        [](const Tensor& x, const Spec& out, Attrs a) {
          const std::int64_t k = a.as<DiagonalAttrs>().offset, down = x.strides().dim(-2), right = x.strides().dim(-1);
          Shape strides = x.strides().first(x.rank() - 2);
          strides.push_back(down + right);
          return x.view_as(out.shape, strides, out.shape.size() ? (k >= 0 ? k * right : -k * down) : 0);
        },
    .attrs = &attrs_type<DiagonalAttrs>,
};

const OpDef diag_embed_op = {
    .name = "diag_embed",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          if (in[0].rank() < 1) throw ShapeError("diag_embed: needs at least 1 dimension, got a scalar.");
          const std::int64_t n = in[0].shape().back() + std::abs(a.as<DiagonalAttrs>().offset);
          Shape r = in[0].shape().first(in[0].rank() - 1);
          r.push_back(n);
          r.push_back(n);
          out.push_back({r, in[0].dtype()});
        },
    .kernel = {cpu::diag_embed},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {diagonal(dy[0], n.attrs.as<DiagonalAttrs>().offset)};
    },
    .attrs = &attrs_type<DiagonalAttrs>,
};

const OpDef triangle_op = {
    .name = "triangle",
    .infer =
        [](Inputs in, Attrs a, Specs& out) {
          need_matrices(a.as<TriangleAttrs>().upper ? "triu" : "tril", in[0]);
          out.push_back({in[0].shape(), in[0].dtype()});
        },
    .kernel = {cpu::triangle},
    .gradient = [](const Node& n, std::span<const Tensor> dy) -> Tensors {
      return {apply(*n.op, {dy[0]}, n.attrs, Where::current())};
    },
    .needs_contiguous = true,
    .attrs = &attrs_type<TriangleAttrs>,
};

void need_blocks(const char* op, const Tensor& x, std::int64_t b) {
  if (x.rank() != 4) throw ShapeError(fmt::format("{}: needs [N, H, W, C], got {}.", op, x.shape().str()));
  if (b < 1) throw UsageError(fmt::format("{}: block_size must be at least 1, got {}.", op, b));
}

}  // namespace

Tensor moveaxis(const Tensor& x, const Axes& from, const Axes& to, Where w) {
  CallSite site(w);
  if (from.rank() != to.rank())
    throw UsageError(fmt::format("moveaxis: {} axes to move, {} places.", from.rank(), to.rank()));
  if (from.empty()) return x;
  Axes f = check_axes("moveaxis", from, x.rank()), t = check_axes("moveaxis", to, x.rank()), order;
  int source[Shape::max_rank];
  bool moved[Shape::max_rank] = {};
  std::fill(source, source + Shape::max_rank, -1);
  for (int i = 0; i < f.rank(); ++i) source[t[i]] = int(f[i]), moved[f[i]] = true;
  for (int i = 0, next = 0; i < x.rank(); ++i) {
    if (source[i] < 0) {
      while (moved[next]) ++next;
      source[i] = next++;
    }
    order.push_back(source[i]);
  }
  return permute_dims(x, order, w);
}

Tensor swapaxes(const Tensor& x, std::int64_t a, std::int64_t b, Where w) {
  CallSite site(w);
  Axes order = check_axes("swapaxes", {}, x.rank());
  std::swap(order[check_axis("swapaxes", a, x.rank())], order[check_axis("swapaxes", b, x.rank())]);
  return permute_dims(x, order, w);
}

Tensor matrix_transpose(const Tensor& x, Where w) {
  CallSite site(w);
  need_matrices("matrix_transpose", x);
  return swapaxes(x, -2, -1, w);
}

Tensor expand_dims(const Tensor& x, std::int64_t axis, Where w) {
  CallSite site(w);
  Shape s = x.shape();
  s.insert(check_axis("expand_dims", axis, x.rank() + 1), 1);
  return reshape(x, s, w);
}

Tensor squeeze(const Tensor& x, const Axes& axis, Where w) {
  CallSite site(w);
  bool gone[Shape::max_rank] = {};
  for (int i = 0; axis.empty() && i < x.rank(); ++i) gone[i] = x.shape()[i] == 1;
  if (!axis.empty())
    for (auto a : check_axes("squeeze", axis, x.rank())) {
      gone[a] = true;
      if (x.shape()[int(a)] != 1)
        throw ShapeError(
            fmt::format("squeeze: axis {} has size {}, not 1 ({}).", a, x.shape()[int(a)], x.shape().str()));
    }
  Shape s;
  for (int i = 0; i < x.rank(); ++i)
    if (!gone[i]) s.push_back(x.shape()[i]);
  return s == x.shape() ? x : reshape(x, s, w);
}

Tensor flatten(const Tensor& x, Where w) { return x.rank() == 1 ? x : reshape(x, {x.size()}, w); }
Tensor ravel(const Tensor& x, Where w) { return flatten(x, w); }

Tensor space_to_depth(const Tensor& x, std::int64_t b, Where w) {
  CallSite site(w);
  need_blocks("space_to_depth", x, b);
  const Shape& s = x.shape();
  if (s[1] % b || s[2] % b)
    throw ShapeError(
        fmt::format("space_to_depth: height {} and width {} must be multiples of {} ({}).", s[1], s[2], b, s.str()));
  Tensor blocks = reshape(x, {s[0], s[1] / b, b, s[2] / b, b, s[3]}, w);
  return reshape(permute_dims(blocks, {0, 1, 3, 2, 4, 5}, w), {s[0], s[1] / b, s[2] / b, b * b * s[3]}, w);
}

Tensor depth_to_space(const Tensor& x, std::int64_t b, Where w) {
  CallSite site(w);
  need_blocks("depth_to_space", x, b);
  const Shape& s = x.shape();
  if (s[3] % (b * b))
    throw ShapeError(fmt::format("depth_to_space: {} channels must be a multiple of {} ({}).", s[3], b * b, s.str()));
  Tensor blocks = reshape(x, {s[0], s[1], s[2], b, b, s[3] / (b * b)}, w);
  return reshape(permute_dims(blocks, {0, 1, 3, 2, 4, 5}, w), {s[0], s[1] * b, s[2] * b, s[3] / (b * b)}, w);
}

Tensor diag(const Tensor& x, std::int64_t k, Where w) {
  CallSite site(w);
  if (x.rank() == 1) return diag_embed(x, k, w);
  if (x.rank() == 2) return diagonal(x, k, w);
  throw ShapeError(fmt::format("diag: needs a vector or a matrix, got {}. For batches use diagonal or diag_embed.",
                               x.shape().str()));
}
Tensor diagonal(const Tensor& x, std::int64_t k, Where w) { return apply(diagonal_op, {x}, DiagonalAttrs{k}, w); }
Tensor diag_embed(const Tensor& x, std::int64_t k, Where w) { return apply(diag_embed_op, {x}, DiagonalAttrs{k}, w); }
Tensor tril(const Tensor& x, std::int64_t k, Where w) { return apply(triangle_op, {x}, TriangleAttrs{k, false}, w); }
Tensor triu(const Tensor& x, std::int64_t k, Where w) { return apply(triangle_op, {x}, TriangleAttrs{k, true}, w); }

void list_rearrange(std::vector<const OpDef*>& out) {
  for (auto* o : {&diagonal_op, &diag_embed_op, &triangle_op}) out.push_back(o);
}

}  // namespace tapir
