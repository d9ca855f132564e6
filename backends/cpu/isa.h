// Which instruction set the CPU kernels use: the best of x86-64-v2, v3 and v4 that the machine has, or TAPIR_ISA.
#pragma once

namespace tapir::cpu {

enum class Isa { v2, v3, v4 };

/// Decided once. TAPIR_ISA=v2|v3|v4 in the environment lowers it; a level that the machine lacks is refused with a note
/// on stderr.
Isa isa();
const char* name_of(Isa isa);

}  // namespace tapir::cpu
