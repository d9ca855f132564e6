#include <tapir/backends/cpu/tiles.h>
#include <tapir/ops/functors/math.h>

template struct tapir::cpu::TAPIR_ISA::Stamp<tapir::vmath::fn::SpecialOps>;
template struct tapir::cpu::TAPIR_ISA::Stamp<tapir::vmath::fn::TrigonometryOps>;
