#include <tapir/backends/cpu/tiles.h>
#include <tapir/ops/functors/compare.h>

template struct tapir::cpu::TAPIR_ISA::Stamp<tapir::vmath::fn::CompareOps>;
template struct tapir::cpu::TAPIR_ISA::Stamp<tapir::vmath::fn::BitOps>;
