// Which instruction set the CPU kernels use: the best of x86-64-v2, v3 and v4 that the machine has, or TAPIR_ISA.
#pragma once
#include <string>

namespace tapir::cpu {

enum class Isa { v2, v3, v4 };

/// Decided once. TAPIR_ISA=v2|v3|v4 in the environment lowers it; a level that the machine lacks is refused with a note
/// on stderr.
Isa isa();
/// The best that the machine has, whether or not the kernels are built for it.
Isa processor_isa();
const char* name_of(Isa isa);
/// As the system calls it: "AMD EPYC 7B13".
std::string processor_name();

#ifndef TAPIR_TOP_ISA
#define TAPIR_TOP_ISA 4
#endif
/// The one of three tables of kernels that this machine takes; levels that were not built are never named.
template <class Table>
const Table& by_isa(const Table* v2, const Table* v3, const Table* v4) {
  return isa() == Isa::v4 && v4 ? *v4 : isa() >= Isa::v3 && v3 ? *v3 : *v2;
}

}  // namespace tapir::cpu
