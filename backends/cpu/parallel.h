// parallel_for over the one OpenMP runtime, shared with oneDNN.
#pragma once
#include <tapir/tensor/threads.h>

#include <algorithm>
#include <cstdint>
#include <exception>

namespace tapir::cpu {

/// Runs body(begin, end) over [0, n), in parts of at least `grain` items on several threads, or at once on this one.
/// Choose `grain` so that a part takes 10 us or more. A nested call runs on the calling thread.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& body);

namespace detail {
using Body = void (*)(void* context, std::int64_t begin, std::int64_t end);
void run_parallel(std::int64_t n, int parts, Body body, void* context);
}  // namespace detail

template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& body) {
  if (n <= 0) return;
  std::int64_t parts = grain >= n ? 1 : std::min<std::int64_t>(num_threads(), n / std::max<std::int64_t>(grain, 1));
  if (parts <= 1) return body(std::int64_t(0), n);
  using B = std::remove_reference_t<F>;
  detail::run_parallel(n, int(parts), [](void* c, std::int64_t b, std::int64_t e) { (*static_cast<B*>(c))(b, e); },
                       const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace tapir::cpu
