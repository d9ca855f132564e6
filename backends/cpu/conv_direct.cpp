// direct: oneDNN's convolutions on plain NHWC images, cut into parts for the threads. The kernel's layout is left to
// oneDNN; we reorder into and out of it, once for all parts. Operands are f32, or bf16 pieces of it (conv_bf16.cpp).
#ifdef TAPIR_ONEDNN
#include <tapir/backends/cpu/conv_cost.h>
#include <tapir/backends/cpu/conv_cut.h>
#include <tapir/backends/cpu/conv_direct.h>
#include <tapir/backends/cpu/conv_packed.h>
#include <tapir/backends/cpu/onednn.h>
#include <tapir/backends/cpu/parallel.h>

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tapir::cpu {
namespace {

using dnnl::memory;
using Dims = memory::dims;

// One direction of the problem in oneDNN's words; two spatial dimensions where the first of three does nothing. The
// result is f32, operands are of the problem's dtype.
struct Described {
  const ConvProblem& p;
  ConvDirection d;
  std::int64_t row;  // filters in memory, of which the problem may have a block
  int first;         // spatial dimension
  Described(const ConvProblem& q, ConvDirection direction) : Described(q, direction, q.k) {}
  Described(const ConvProblem& q, ConvDirection direction, std::int64_t filters)
      : p(q),
        d(direction),
        row(filters),
        first(q.in[0] == 1 && q.kernel[0] == 1 && q.out[0] == 1 && q.before[0] == 0 ? 1 : 0) {}
  DType dtype_where(ConvDirection it_is_the_result) const { return d == it_is_the_result ? DType::f32 : p.dtype; }

  Shape spatial(std::int64_t a, std::int64_t b, const std::int64_t* from) const {
    Shape s{a, b};
    for (int d = first; d < 3; ++d) s.push_back(from[d]);
    return s;
  }
  // An image [N, sizes..., C] as N, C, sizes.
  memory::desc image(std::int64_t channels, const std::int64_t* sizes, DType dtype) const {
    Shape strides{sizes[0] * sizes[1] * sizes[2] * channels, 1};
    if (first == 0) strides.push_back(sizes[1] * sizes[2] * channels);
    strides.push_back(sizes[2] * channels);
    strides.push_back(channels);
    return onednn::desc_of(spatial(p.n, channels, sizes), strides, dtype);
  }
  memory::desc x() const { return image(p.c, p.in, dtype_where(ConvDirection::input_gradient)); }
  memory::desc y() const { return image(p.k, p.out, dtype_where(ConvDirection::forward)); }
  DType kernel_dtype() const { return dtype_where(ConvDirection::kernel_gradient); }
  Shape kernel_sizes() const {
    Shape s = spatial(p.kg(), p.cg(), p.kernel);
    if (p.groups > 1) s.insert(0, p.groups);
    return s;
  }
  memory::desc any_kernel() const { return onednn::any_layout(kernel_sizes(), kernel_dtype()); }
  // [kernel..., C / groups, K] as (groups,) O, I, kernel.
  memory::desc plain_kernel() const {
    const std::int64_t tap = p.cg() * row;
    Shape strides{1, row};
    if (first == 0) strides.push_back(p.kernel[1] * p.kernel[2] * tap);
    strides.push_back(p.kernel[2] * tap);
    strides.push_back(tap);
    if (p.groups > 1) strides.insert(0, p.kg());
    return onednn::desc_of(kernel_sizes(), strides, kernel_dtype());
  }
  Dims strides() const { return {p.stride + first, p.stride + 3}; }
  Dims dilations() const {
    Dims d;
    for (int i = first; i < 3; ++i) d.push_back(p.dilation[i] - 1);
    return d;
  }
  Dims before() const { return {p.before + first, p.before + 3}; }
  // What the last window needs; input that no window reaches needs nothing.
  Dims after() const {
    Dims a;
    for (int d = first; d < 3; ++d)
      a.push_back(std::max<std::int64_t>(
          0, (p.out[d] - 1) * p.stride[d] + (p.kernel[d] - 1) * p.dilation[d] + 1 - p.in[d] - p.before[d]));
    return a;
  }
};

onednn::Key key_of(const char* what, const ConvProblem& p, ConvDirection d) {
  onednn::Key key(what);
  key << d << p.n << p.c << p.k << p.groups << p.dtype;
  for (int i = 0; i < 3; ++i) key << p.in[i] << p.kernel[i] << p.out[i] << p.stride[i] << p.dilation[i] << p.before[i];
  return key;
}

onednn::Recipe make(const ConvProblem& p, ConvDirection d) {
  constexpr auto plain = dnnl::algorithm::convolution_direct;
  const auto attr = onednn::attributes();
  const Described f(p, ConvDirection::forward), s(p, d);
  auto forward =
      onednn::describe<dnnl::convolution_forward>(attr, dnnl::prop_kind::forward_training, plain, f.x(), f.any_kernel(),
                                                  f.y(), f.strides(), f.dilations(), f.before(), f.after());
  if (d == ConvDirection::forward)
    return onednn::recipe(forward, {{DNNL_ARG_SRC, forward.src_desc()},
                                    {DNNL_ARG_WEIGHTS, forward.weights_desc()},
                                    {DNNL_ARG_DST, forward.dst_desc()}});
  if (d == ConvDirection::input_gradient) {
    auto b = onednn::describe_backward<dnnl::convolution_backward_data>(
        forward, attr, plain, s.x(), s.any_kernel(), s.y(), s.strides(), s.dilations(), s.before(), s.after());
    return onednn::recipe(b, {{DNNL_ARG_DIFF_SRC, b.diff_src_desc()},
                              {DNNL_ARG_WEIGHTS, b.weights_desc()},
                              {DNNL_ARG_DIFF_DST, b.diff_dst_desc()}});
  }
  auto b = onednn::describe_backward<dnnl::convolution_backward_weights>(
      forward, attr, plain, s.x(), s.any_kernel(), s.y(), s.strides(), s.dilations(), s.before(), s.after());
  return onednn::recipe(b, {{DNNL_ARG_SRC, b.src_desc()},
                            {DNNL_ARG_DIFF_WEIGHTS, b.diff_weights_desc()},
                            {DNNL_ARG_DIFF_DST, b.diff_dst_desc()}});
}

// Into oneDNN's layout, or back out of it if `back`.
void reorder_kernel(const ConvProblem& p, ConvDirection d, std::int64_t filters, const memory::desc& theirs, void* from,
                    void* to, bool back) {
  auto prepared = onednn::prepared(key_of(back ? "conv_kernel_back" : "conv_kernel", p, d) << filters, [&] {
    memory::desc ours = Described(p, d, filters).plain_kernel();
    const memory::desc &a = back ? theirs : ours, &b = back ? ours : theirs;
    dnnl::reorder::primitive_desc r(onednn::engine(), a, onednn::engine(), b, onednn::attributes());
    return onednn::recipe(r, {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}});
  });
  prepared->run({{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

std::int64_t bytes_of(std::int64_t numbers, Pieces s) { return numbers * std::int64_t(size_of(s.dtype)); }

PackedKernel call_memory(std::size_t bytes) {
  return {static_cast<std::byte*>(tapir::detail::allocate_bytes(bytes)),
          [bytes](std::byte* q) { tapir::detail::free_bytes(q, bytes); }};
}

// The pieces of the kernel in oneDNN's layout: kept if its value comes again, else made for this call. Null if that is
// the kernel as it lies. `p`: of_pieces() of a part of the problem `whole`; it has the filters from `first` on,
// `filters` of which lie in memory.
PackedKernel packed_kernel(const ConvProblem& whole, const ConvProblem& p, ConvDirection d, const memory::desc& theirs,
                           const ConvBuffers& b, Pieces s, std::int64_t first, std::int64_t filters) {
  const bool plain = filters == p.k && theirs == Described(p, d).plain_kernel();
  if (plain && s.count == 0) return nullptr;
  const std::size_t bytes = theirs.get_size();
  std::string key;
  bool keep = false;
  if (b.kernel_id) {
    key = (key_of("conv_packed", p, d) << s.count << b.kernel_id << first).bytes();
    if (auto kept = find_packed(key)) return kept;
    keep = worth_packing(key);
  }
  PackedKernel kernel = keep ? packed_memory(bytes) : call_memory(bytes);
  ConvScratch<std::byte> pieces(s.count == 0 || plain ? 0 : bytes_of(p.taps() * p.cg() * p.k, s));
  void* from = s.count == 0 ? static_cast<void*>(static_cast<float*>(b.kernel) + first)
               : plain      ? kernel.get()
                            : pieces.data();
  if (s.count) split_kernel(whole, d, s, b.kernel, from);
  if (!plain) reorder_kernel(p, d, s.count ? p.k : filters, theirs, from, kernel.get(), false);
  if (keep) keep_packed(key, kernel, bytes);
  return kernel;
}

std::shared_ptr<onednn::Prepared> prepared(const ConvProblem& p, ConvDirection d) {
  return onednn::prepared(key_of("conv", p, d), [&] { return make(p, d); });
}

// A problem of pieces with the kernel, or its gradient, in the layout `theirs`.
void run_on(const ConvProblem& p, ConvDirection d, const ConvBuffers& b, const memory::desc& theirs) {
  auto conv = prepared(p, d);
  const bool of_kernel = d == ConvDirection::kernel_gradient;
  const memory::desc mine = conv->desc(of_kernel ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS);
  const bool same = mine == theirs;  // nearly always: sizes of images do not count much
  ConvScratch<std::byte> scratch(same ? 0 : std::int64_t(mine.get_size()));
  void* kernel = same ? b.kernel : scratch.data();
  if (!same && !of_kernel) onednn::reorder(theirs, b.kernel, mine, kernel);
  if (d == ConvDirection::forward) conv->run({{DNNL_ARG_SRC, b.x}, {DNNL_ARG_WEIGHTS, kernel}, {DNNL_ARG_DST, b.y}});
  else if (of_kernel) conv->run({{DNNL_ARG_SRC, b.x}, {DNNL_ARG_DIFF_WEIGHTS, kernel}, {DNNL_ARG_DIFF_DST, b.y}});
  else conv->run({{DNNL_ARG_DIFF_SRC, b.x}, {DNNL_ARG_WEIGHTS, kernel}, {DNNL_ARG_DIFF_DST, b.y}});
  if (!same && of_kernel) onednn::reorder(mine, kernel, theirs, b.kernel);
}

// One part of the work: pieces of its images are made while they are in cache.
void run_part(const ConvPart& part, ConvDirection d, const ConvBuffers& b, void* kernel, const memory::desc& theirs,
              Pieces s) {
  const ConvProblem &p = part.problem, q = of_pieces(p, d, s);
  ConvBuffers mine{static_cast<float*>(b.x) + part.x, kernel, static_cast<float*>(b.y) + part.y};
  const bool x = s.count && d != ConvDirection::input_gradient, y = s.count && d != ConvDirection::forward;
  ConvScratch<std::byte> of_x(x ? bytes_of(q.n * q.in_pixels() * q.c, s) : 0),
      of_y(y ? bytes_of(q.n * q.out_pixels() * q.k, s) : 0);
  if (x) split_x(p, d, s, std::exchange(mine.x, of_x.data()), of_x.data());
  if (y) split_y(p, d, s, std::exchange(mine.y, of_y.data()), of_y.data());
  run_on(q, d, mine, theirs);
}

// Parts that are worth a thread's while: 25 us.
constexpr std::int64_t kGrain = 2'000'000;
std::int64_t work(const ConvProblem& p, Pieces s) { return std::int64_t(p.flops() * (s.count ? time_of(s) : 1)); }
std::int64_t parts_wanted(const ConvProblem& p, Pieces s) { return parallel_parts(work(p, s), kGrain); }
// ... whose pieces, or results until the epilogue comes to them, stay in L2.
std::int64_t small_parts_wanted(const ConvProblem& p, Pieces s) {
  const std::int64_t x = p.n * p.in_pixels() * p.c, y = p.n * p.out_pixels() * p.k;
  return std::max(parts_wanted(p, s), std::min(work(p, s) / kGrain, (s.count ? std::max(x, y) : y) / (64 << 10)));
}

void image_direction(const ConvProblem& p, ConvDirection d, const ConvBuffers& b, Pieces s) {
  const ConvCut cut(p, d, b.after || s.count ? small_parts_wanted(p, s) : parts_wanted(p, s));
  const ConvProblem whole = cut.part(0).problem, first = of_pieces(whole, d, s);
  const memory::desc theirs = prepared(first, d)->desc(DNNL_ARG_WEIGHTS);
  const PackedKernel packed = packed_kernel(whole, first, d, theirs, b, s, 0, first.k);
  void* kernel = packed ? packed.get() : b.kernel;
  parallel_for(cut.parts(), 1, [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) {
      const ConvPart part = cut.part(i);
      if (part.problem.out_pixels()) run_part(part, d, b, kernel, theirs, s);
      else std::fill_n(static_cast<float*>(b.x) + part.x, part.problem.in_pixels() * p.c, 0.0f);
      b.ready(part.y, part.problem.n * part.problem.out_pixels() * p.k);
    }
  });
}

// A sum for each part, which are then added up in order.
void kernel_gradient(const ConvProblem& p, const ConvBuffers& b, Pieces s) {
  constexpr auto d = ConvDirection::kernel_gradient;
  const ConvCut cut(p, d, std::min(s.count ? small_parts_wanted(p, s) : parts_wanted(p, s), most_kernel_sums(p)));
  const ConvProblem first = of_pieces(cut.part(0).problem, d, s);
  const memory::desc theirs = prepared(first, d)->desc(DNNL_ARG_DIFF_WEIGHTS);
  const bool same = theirs == Described(first, d).plain_kernel();
  const auto size = std::int64_t(theirs.get_size() / sizeof(float));
  ConvScratch<float> packed(same ? 0 : size), others((cut.parts() - 1) * size);
  float* sum = same ? static_cast<float*>(b.kernel) : packed.data();
  parallel_for(cut.parts(), 1, [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) run_part(cut.part(i), d, b, i ? others.data() + (i - 1) * size : sum, theirs, s);
  });
  add_kernel_sums(sum, others.data(), cut.parts() - 1, size);
  if (!same) reorder_kernel(first, d, first.k, theirs, sum, b.kernel, true);
}

// In how many blocks the filters are cut: where the kernel is what takes long to read, each thread reads a part of it.
std::int64_t filter_blocks(const ConvProblem& p) {
  const ConvWork w(p);
  if (p.groups > 1 || w.kernel < 4 * (w.x + w.y)) return 1;
  return std::min<std::int64_t>(parts_wanted(p, {}) > 1 ? num_threads() : 1, p.k / (4 * w.lanes));
}

// Each block's result is dense, so it takes a detour; it is small.
void forward_by_filters(const ConvProblem& p, std::int64_t blocks, const ConvBuffers& b) {
  constexpr auto d = ConvDirection::forward;
  const std::int64_t lanes = conv_lanes(p.dtype), pixels = p.n * p.out_pixels();
  auto edge = [&](std::int64_t i) { return i == blocks ? p.k : p.k * i / blocks / lanes * lanes; };
  parallel_for(blocks, 1, [&](std::int64_t i, std::int64_t end) {
    for (; i < end; ++i) {
      const std::int64_t first = edge(i);
      ConvProblem q = p;
      q.k = edge(i + 1) - first;
      ConvScratch<float> y(pixels * q.k);
      const memory::desc theirs = prepared(q, d)->desc(DNNL_ARG_WEIGHTS);
      const PackedKernel kernel = packed_kernel(q, q, d, theirs, b, {}, first, p.k);
      run_on(q, d, {b.x, kernel.get(), y.data()}, theirs);
      for (std::int64_t r = 0; r < pixels; ++r)
        std::copy_n(y.data() + r * q.k, q.k, static_cast<float*>(b.y) + r * p.k + first);
    }
  });
  if (b.after) b.after->over_all();
}

}  // namespace

void run_direct(const ConvProblem& p, ConvDirection d, const ConvBuffers& b, Pieces s) {
  const std::int64_t blocks = d == ConvDirection::forward && s.count == 0 ? filter_blocks(p) : 1;
  if (blocks > 1) forward_by_filters(p, blocks, b);
  else if (d == ConvDirection::kernel_gradient) kernel_gradient(p, b, s);
  else image_direction(p, d, b, s);
}

// oneDNN 2.6: blocks of channels as wide as a vector, three or more at a time; what its compiled kernels cannot do goes
// through patches of its own.
double direct_cost(const ConvProblem& p, ConvDirection d) {
  const ConvWork w(p);
  const bool of_kernel = d == ConvDirection::kernel_gradient, forward = d == ConvDirection::forward;
  if (p.groups > 1 && p.cg() == 1 && p.kg() == 1) {
    const double terms = w.unit * w.pixels * double(p.taps() * round_up(p.c, w.lanes));
    const double odd = p.c % w.lanes ? (w.avx512 ? 0.3 : 1) : 0, moved = (0.05 + 0.07 * odd) * (w.x + w.y);
    if (forward) return (1.3 + (p.taps() > 9 ? 1.1 * odd : 0)) * terms + moved + 2200;
    if (of_kernel) return (p.taps() > 9 ? 10.6 : (w.avx512 ? 1.2 : 2.0) + odd) * terms + moved + 1000;
    return ((w.avx512 && p.taps() <= 9 ? 1.4 : 1.9) + 0.3 * odd) * terms + moved + 7000;
  }
  const bool odd_groups = p.groups > 1 && (p.cg() % w.lanes || p.kg() % w.lanes);
  if (odd_groups && !w.avx512) {
    const double runs = w.pixels * double(p.groups * p.taps());
    return (forward ? 0.45 : 0.3) * w.patches + (forward ? 4 : 1.5) * runs + 20000;
  }
  const std::int64_t outputs = d == ConvDirection::input_gradient ? p.cg() : p.kg(),
                     blocks = (outputs + w.lanes - 1) / w.lanes;
  const std::int64_t inputs = !of_kernel ? p.cg() * p.kg() / outputs : p.cg() > 4 ? round_up(p.cg(), w.lanes) : p.cg();
  const double terms = w.unit * w.pixels * double(p.taps() * p.groups * inputs * blocks * w.lanes);
  const bool strided_1x1 = p.taps() == 1 && w.strided(p);
  if (w.avx512) {  // its blocks are as good one at a time
    const double rate =
        1.0 + (odd_groups ? 0.3 : 0) + (of_kernel && (p.c <= 4 || (p.out[2] >= 64 && blocks == 1)) ? 0.3 : 0);
    const double copied = strided_1x1 ? (forward ? 0.15 : of_kernel ? 0.1 : 0.25) * w.x : 0;
    return rate * terms + copied + (of_kernel ? 0.1 * double(p.n) * w.kernel : 0) + 3300;
  }
  if (of_kernel) {
    if (w.dilated(p)) return 1.1 * terms + 0.86 * w.patches + 3000;
    const double rate = (blocks == 1   ? (p.kg() % w.lanes ? 1.45 : 1.2)
                         : blocks == 2 ? 1.05
                                       : 1.18) +
                        (p.out[2] >= 64 ? 0.5 : 0);
    return rate * terms + 0.18 * double(p.n) * w.kernel + (strided_1x1 ? 0.1 * w.x : 0) + 3100;
  }
  if (forward) {
    const bool patches = w.dilated(p) && (p.before[1] > 3 || p.before[2] > 3);
    const double rate = (blocks == 1 ? 2.2 : blocks == 2 ? 1.17 : 1.02) + (patches ? 0.8 : 0);
    return rate * terms + (strided_1x1 ? 0.15 * w.x : 0) + 3300;
  }
  const double rate = (blocks == 1 ? 1.19 : 1.0) + (w.dilated(p) ? 0.3 : 0) + (w.strided(p) && p.kg() >= 96 ? 0.3 : 0);
  return rate * terms + (strided_1x1 ? 0.25 * w.x : 0) + 3500;
}

const ConvEntry conv_direct = {
    ConvAlgorithm::direct,
    [](const ConvProblem& p, ConvDirection) -> std::string {
      return p.dtype == DType::f32 ? "" : fmt::format("oneDNN has no {}", name_of(p.dtype));
    },
    direct_cost,
    [](const ConvProblem& p, ConvDirection d, const ConvBuffers& b) { run_direct(p, d, b, {}); },
    true,
};

}  // namespace tapir::cpu
#endif
