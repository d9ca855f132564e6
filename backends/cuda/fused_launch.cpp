#include <tapir/backends/cuda/compiler.h>
#include <tapir/backends/cuda/fused_launch.h>
#include <tapir/backends/cuda/kernel_cache.h>
#include <tapir/backends/cuda/tile_text.h>
#include <tapir/backends/cuda/walk.h>
#include <tapir/tensor/cast_one.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <mutex>

namespace tapir::cuda {
namespace {

constexpr std::int64_t kThreads = kFusedThreads, kMostBlocks = 1 << 16, kMostParts = 256;
constexpr std::int64_t kEnoughThreads = 1 << 16;  // to keep a GPU busy
static_assert(FusedArgs::max_sources == TileProgram::max_sources && FusedArgs::max_sinks == TileProgram::max_sinks &&
              FusedArgs::max_rank == Shape::max_rank);

struct Made {
  void* kernel = nullptr;
  int attrs[TileProgram::max_steps];
};

Read how_to_read(const Tensor& t, const Shape& shape) {
  if (t.device().backend == Backend::cpu) return Read::number;
  if (t.size() == 1) return Read::one;
  return t.size() == shape.size() && t.is_contiguous() ? Read::dense : Read::strided;
}

// The kernel of a program whose operands lie so, made at the first call.
const Made& made(const TileProgramAttrs& a, const TileLayout& layout) {
  static std::mutex mutex;
  static auto* all = new std::map<std::string, Made>;
  const TileProgram& p = *a.program;
  std::string key =
      std::to_string(current_device()) + ":" + std::to_string(a.number) + ":" + std::to_string(layout.rank);
  for (int k = 0; k < p.sources; ++k) key += char('a' + int(layout.from[k])), key += char('0' + int(layout.read[k]));
  std::lock_guard lock(mutex);
  const auto [place, fresh] = all->try_emplace(key);
  if (fresh)
    if (const std::string text = tile_text(p, layout, place->second.attrs); !text.empty())
      place->second.kernel = kernel_of_text(text);
  return place->second;
}

std::uint64_t bits_of_number(const Tensor& t, DType to) {
  std::uint64_t bits = 0;
  visit_dtype(to, [&]<class T>(T) {
    const T v = is_floating(t.dtype()) ? tapir::detail::cast_one<T>(t.item<double>())
                                       : tapir::detail::cast_one<T>(t.item<std::int64_t>());
    std::memcpy(&bits, &v, sizeof v);
  });
  return bits;
}

// Which threads work on a sum: decided by sizes alone, so results repeat.
void cut_sums(const TileProgram& p, FusedArgs& a, SumsToFinish& sums) {
  const bool over_inner = p.sum == TileProgram::Sum::over_inner;
  const std::int64_t results = over_inner ? p.outer : p.inner, count = over_inner ? p.inner : p.outer;
  auto power = [](std::int64_t n) {
    return std::int64_t(std::bit_ceil(std::uint64_t(std::clamp<std::int64_t>(n, 1, kThreads))));
  };
  a.width = over_inner ? power(count) : kThreads / power(results);
  const std::int64_t wanted = kEnoughThreads / std::max<std::int64_t>(1, results * a.width),
                     most = count / (4 * a.width);
  const std::int64_t parts = std::clamp<std::int64_t>(std::min(wanted, most), 1, kMostParts);
  a.chunk = (count + parts - 1) / parts;
  a.parts = (count + a.chunk - 1) / a.chunk;
  sums.parts = a.parts, sums.results = results;
}

}  // namespace

bool launch_program(const TileProgramAttrs& program, const std::vector<Tensor>& in, std::span<const Tensor> out,
                    SumsToFinish& sums) {
  const TileProgram& p = *program.program;
  if (p.shape.size() == 0 || program.number == 0 || compiler_missing()) return false;
  TileLayout layout;
  const Tensor* strided[TileProgram::max_sources] = {};
  for (int k = 0; k < p.sources; ++k) {
    const Tensor& t = in[p.source[k].input];
    if (is_half(p.source[k].to)) return false;
    layout.from[k] = t.dtype();
    layout.read[k] = how_to_read(t, p.shape);
    if (layout.read[k] == Read::strided) strided[k] = &t;
  }
  const Walk<TileProgram::max_sources> walk = walk_over(p.shape, strided);
  layout.rank = walk.rank;
  const Made& m = made(program, layout);
  if (!m.kernel) return false;

  FusedArgs a;
  a.n = p.shape.size(), a.outer = p.outer, a.inner = p.inner;
  a.parts = a.chunk = a.width = 1;
  for (int k = 0; k < p.sources; ++k) {
    const Tensor& t = in[p.source[k].input];
    if (layout.read[k] == Read::number) a.number[k] = bits_of_number(t, p.source[k].to);
    else a.in[k] = t.data<std::byte>();
    std::copy_n(walk.step[k], walk.rank, a.step[k]);
  }
  std::copy_n(walk.size, walk.rank, a.size);
  for (int s = 0; s < p.steps; ++s)
    if (m.attrs[s] >= 0)
      std::memcpy(a.functors + m.attrs[s], p.step[s].functor, std::size_t(functor_type(*p.step[s].op)->bytes));
  if (p.sum != TileProgram::Sum::none) cut_sums(p, a, sums);
  for (int k = 0; k < p.sinks; ++k) {
    const Tensor& y = out[std::size_t(k)];
    a.out[k] = y.mutable_data<std::byte>();
    if (!p.sink[k].sum) continue;
    sums.all.push_back({&y, std::make_unique<Scratch>(std::size_t(sums.parts * sums.results) * sizeof(double))});
    a.out[k] = sums.all.back().partial->data();
  }
  const std::int64_t blocks = p.sum == TileProgram::Sum::none
                                  ? (a.n + kThreads - 1) / kThreads
                                  : (sums.parts * sums.results * a.width + kThreads - 1) / kThreads;
  launch_fused(m.kernel, unsigned(std::min(blocks, kMostBlocks)), a);
  return true;
}

}  // namespace tapir::cuda
