// How many threads one operation may use.
#pragma once

namespace tapir {

/// Threads that one operation may use: all cores unless set. OMP_NUM_THREADS is respected.
int num_threads();
/// Caps the threads of an operation, for the whole process. Throws UsageError unless n >= 1.
void set_num_threads(int n);

}  // namespace tapir
