// Kernels that were compiled at run time, in memory and in files of $XDG_CACHE_HOME/tapir/kernels
// (~/.cache/tapir/kernels), one a kernel: any number of processes may read and write them at once. TAPIR_KERNEL_CACHE
// names another folder; empty, it means none.
#pragma once
#include <string>

namespace tapir::cuda {

/// The kernel of a text on the current device, made if need be. Null if it cannot be compiled; that is told once, on
/// stderr.
void* kernel_of_text(const std::string& text);

}  // namespace tapir::cuda
