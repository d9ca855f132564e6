// A convolution and the max-pooling of its result in one go: rows of the convolution live in the L1 cache until they
// are pooled, and the kernel's gradient visits the winners alone. For convolutions that small_channels computes.
#include <tapir/backends/cpu/conv_row_reader.h>
#include <tapir/backends/cpu/parallel.h>
#include <tapir/ops/conv_pool.h>

#include <cstring>
#include <deque>
#include <vector>

namespace tapir::cpu {
namespace {

using i64 = std::int64_t;

// The convolution, and the pooled rows of its result.
struct PooledProblem {
  ConvProblem p;
  i64 rows, columns;  // of a window
  i64 height, width;  // pooled
  PooledProblem(const Shape& x, const Shape& kernel, const ConvPoolAttrs& a, DType dtype)
      : p(conv_problem(x, kernel, conv_pool_shape(x, kernel, a, false), a.conv, dtype)),
        rows(a.window[0]),
        columns(a.window[1]),
        height(p.out[1] / rows),
        width(p.out[2] / columns) {}
  i64 grain() const { return std::max<i64>(1, conv_rows_grain(p) / rows); }
};

template <class T>
void forward(const PooledProblem& q, const T* x, const T* w, T* y, std::uint8_t* winners) {
  const ConvProblem& p = q.p;
  const auto& kernels = row_kernels<T>();
  const Panels panels{kernels.lanes, p.k};
  const i64 taps = p.taps() * p.c;
  ConvScratch<T> packed(taps * panels.padded());
  pack_panels(w, p.k, taps, panels, packed.data());
  const bool two_by_two = q.rows == 2 && q.columns == 2;
  parallel_for(p.n * q.height, q.grain(), [&](i64 begin, i64 end) {
    std::deque<RowReader<T>> readers;  // one for each row of a window
    for (i64 i = 0; i < q.rows; ++i) readers.emplace_back(p);
    const ConvRow row = readers[0].row();
    std::vector<const T*> from(std::size_t(q.rows));
    const i64 widest = 2 * panels.lanes;
    ConvScratch<T> conv(two_by_two ? 0 : q.rows * row.pixels * widest), best(q.width * widest);
    ConvScratch<std::uint8_t> which(q.width * widest);
    for (i64 r = begin; r < end; ++r) {
      const i64 line = r / q.height * p.out[1] + r % q.height * q.rows;
      for (std::size_t i = 0; i < from.size(); ++i) from[i] = readers[i].at(x, line + i64(i));
      for (i64 panel = 0; panel < panels.count(); ++panel) {
        const i64 width = panels.width(panel), channels = panels.channels(panel);
        const T* kernel = packed.data() + taps * panels.first(panel);
        auto pool = [&](T* to, std::uint8_t* numbers, i64 ld) {
          if (two_by_two) {
            kernels.forward_pooled(row, from[0], from[1], kernel, panels.vectors(panel), q.width, to, numbers, ld);
            return;
          }
          T* to_row = conv.data();
          for (std::size_t i = 0; i < from.size(); ++i, to_row += row.pixels * width)
            kernels.forward(row, from[i], kernel, panels.vectors(panel), to_row, width);
          kernels.max_pool(conv.data(), row.pixels, int(q.rows), int(q.columns), q.width, panels.vectors(panel), to,
                           numbers, ld);
        };
        const i64 at = r * q.width * p.k + panels.first(panel);
        if (channels == width) {
          pool(y + at, winners ? winners + at : nullptr, p.k);
          continue;
        }
        pool(best.data(), winners ? which.data() : nullptr, width);
        for (i64 o = 0; o < q.width; ++o) {
          std::memcpy(y + at + o * p.k, best.data() + o * width, std::size_t(channels) * sizeof(T));
          if (winners) std::memcpy(winners + at + o * p.k, which.data() + o * width, std::size_t(channels));
        }
      }
    }
  });
}

// The gradient of the kernel from some pooled rows, in panels.
template <class T>
void sum_pooled_rows(const PooledProblem& q, const Panels& panels, const T* x, const T* d, const std::uint8_t* winners,
                     i64 begin, i64 end, T* sum) {
  const ConvProblem& p = q.p;
  const auto& kernels = row_kernels<T>();
  const bool two_by_two = kernels.pooled_gradient && q.rows == 2 && q.columns == 2;
  RowReader<T> first(p), second(p);
  const ConvRow row = first.row();
  const i64 size = row.taps * panels.padded(), widest = 2 * panels.lanes;
  ConvScratch<T> some(size), wide(q.width * widest), table(two_by_two ? q.width * row.taps * 4 : 0),
      full(two_by_two ? 0 : row.pixels * widest);
  ConvScratch<std::uint8_t> which(q.width * widest);
  std::fill_n(wide.data(), q.width * widest, T(0));
  std::fill_n(which.data(), q.width * widest, std::uint8_t(0));
  std::fill_n(sum, size, T(0));
  for (i64 r = begin; r < end;) {
    std::fill_n(some.data(), size, T(0));
    for (const i64 stop = std::min(end, r + 64); r < stop; ++r) {
      const i64 line = r / q.height * p.out[1] + r % q.height * q.rows;
      if (two_by_two) {
        const T *a = first.at(x, line), *b = second.at(x, line + 1);
        T* t = table.data();
        const i64 step = row.step;
        for (i64 o = 0; o < q.width; ++o, a += 2 * step, b += 2 * step)
          for (i64 k = 0; k < row.taps; ++k, t += 4) {
            const T *u = a + row.offsets[k], *v = b + row.offsets[k];
            t[0] = u[0], t[1] = u[step], t[2] = v[0], t[3] = v[step];
          }
      }
      for (i64 panel = 0; panel < panels.count(); ++panel) {
        const i64 width = panels.width(panel), channels = panels.channels(panel);
        T* to = some.data() + row.taps * panels.first(panel);
        if (const i64 at = r * q.width * p.k + panels.first(panel); two_by_two && channels == width) {
          kernels.pooled_gradient(row.taps, q.width, table.data(), d + at, winners + at, p.k, panels.vectors(panel),
                                  to);
          continue;
        }
        for (i64 o = 0; o < q.width; ++o) {
          const i64 at = (r * q.width + o) * p.k + panels.first(panel);
          std::memcpy(wide.data() + o * width, d + at, std::size_t(channels) * sizeof(T));
          std::memcpy(which.data() + o * width, winners + at, std::size_t(channels));
          std::fill_n(wide.data() + o * width + channels, width - channels, T(0));
          std::fill_n(which.data() + o * width + channels, width - channels, std::uint8_t(0));
        }
        if (two_by_two) {
          kernels.pooled_gradient(row.taps, q.width, table.data(), wide.data(), which.data(), width,
                                  panels.vectors(panel), to);
          continue;
        }
        for (i64 i = 0; i < q.rows; ++i) {  // row i of the windows as it was before pooling
          std::fill_n(full.data(), row.pixels * width, T(0));
          for (i64 o = 0; o < q.width; ++o)
            for (i64 j = 0; j < width; ++j)
              if (const i64 w = which.data()[o * width + j]; w / q.columns == i)
                full.data()[(o * q.columns + w % q.columns) * width + j] = wide.data()[o * width + j];
          kernels.kernel_gradient(row, first.at(x, line + i), full.data(), width, panels.vectors(panel), to);
        }
      }
    }
    for (i64 i = 0; i < size; ++i) sum[i] += some.data()[i];
  }
}

template <class T>
void kernel_gradient(const PooledProblem& q, const T* x, const T* d, const std::uint8_t* winners, T* dw) {
  const Panels panels{row_kernels<T>().lanes, q.p.k};
  const i64 taps = q.p.taps() * q.p.c, size = taps * panels.padded(), rows = q.p.n * q.height;
  const i64 parts = parallel_parts(rows, q.grain());
  ConvScratch<T> sums(parts * size);
  parallel_for(parts, 1, [&](i64 part, i64 end) {
    for (; part < end; ++part)
      sum_pooled_rows(q, panels, x, d, winners, rows * part / parts, rows * (part + 1) / parts,
                      sums.data() + part * size);
  });
  unpack_panels(sums.data(), parts, size, taps, panels, dw, q.p.k);
}

}  // namespace

bool conv_pool_pays(const Shape& x, const Shape& kernel, const Shape& y, const ConvAttrs& a, DType dtype,
                    ConvDirection d) {
  const ConvProblem p = conv_problem(x, kernel, y, a, dtype);
  const ConvEntry &chosen = choose_conv(p, d, a.algorithm), &own = conv_small_channels;
  if (a.algorithm != ConvAlgorithm::automatic) return &chosen == &own;
  if (!own.refuses(p, d).empty()) return false;
  // Pooling in one go leaves out a pass over the convolution's result, and of its kernel's gradient most products.
  return own.cost(p, d) < (d == ConvDirection::kernel_gradient ? 3 : 1.5) * chosen.cost(p, d);
}

void conv_max_pool(const Call& call) {
  const Tensor &x = call.in[0], &w = call.in[1], &y = call.out[0];
  const PooledProblem q(x.shape(), w.shape(), call.attrs.as<ConvPoolAttrs>(), x.dtype());
  std::uint8_t* winners = call.out.size() > 1 ? call.out[1].mutable_data<std::uint8_t>() : nullptr;
  if (x.dtype() == DType::f64) forward(q, x.data<double>(), w.data<double>(), y.mutable_data<double>(), winners);
  else forward(q, x.data<float>(), w.data<float>(), y.mutable_data<float>(), winners);
}

void conv_max_pool_kernel_gradient(const Call& call) {
  const Tensor &x = call.in[0], &d = call.in[1], &dw = call.out[0];
  const PooledProblem q(x.shape(), dw.shape(), call.attrs.as<ConvPoolAttrs>(), x.dtype());
  const auto* winners = call.in[2].data<std::uint8_t>();
  if (x.dtype() == DType::f64)
    kernel_gradient(q, x.data<double>(), d.data<double>(), winners, dw.mutable_data<double>());
  else kernel_gradient(q, x.data<float>(), d.data<float>(), winners, dw.mutable_data<float>());
}

}  // namespace tapir::cpu
