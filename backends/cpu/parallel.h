// parallel_for: loops shared out among the threads of the pool.
#pragma once
#include <tapir/tensor/threads.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace tapir::cpu {

/// How many parts parallel_for cuts [0, n) into: a few for each thread, so that those who are held up can be helped
/// out, of at least `grain` items each.
inline std::int64_t parallel_parts(std::int64_t n, std::int64_t grain) {
  if (grain >= n) return n > 0;
  const std::int64_t threads = num_threads();
  return threads == 1 ? 1 : std::min(4 * threads, n / std::max<std::int64_t>(grain, 1));
}

/// Runs body(begin, end) over [0, n), in parts of at least `grain` items on several threads, or at once on this one.
/// Which thread runs which part is not determined. Choose `grain` so that a part takes 10 us or more. A nested call
/// runs on the calling thread, as does one that finds the pool taken by another thread. Rethrows the first exception;
/// parts not begun by then are left out.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& body);

namespace detail {
using Body = void (*)(void* context, std::int64_t begin, std::int64_t end);
void run_parallel(std::int64_t n, std::int64_t parts, Body body, void* context);
}  // namespace detail

template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& body) {
  const std::int64_t parts = parallel_parts(n, grain);
  if (parts == 0) return;
  if (parts == 1) return body(std::int64_t(0), n);
  using B = std::remove_reference_t<F>;
  detail::run_parallel(
      n, parts, [](void* c, std::int64_t b, std::int64_t e) { (*static_cast<B*>(c))(b, e); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace tapir::cpu
