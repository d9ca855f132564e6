// How many threads one operation may use.
#pragma once
#include <tapir/tensor/error.h>

namespace tapir {

/// Threads that one operation may use, the calling one among them. Unless set: TAPIR_NUM_THREADS, else OMP_NUM_THREADS,
/// else the CPUs that the process may run on. They are started when first needed.
int num_threads();
/// Caps the threads of an operation, for the whole process; may be called at any time, from any thread. Throws
/// UsageError unless n >= 1.
void set_num_threads(int n, Where where = Where::current());

}  // namespace tapir
