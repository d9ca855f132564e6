#include <tapir/backends/cpu/tiles.h>
#include <tapir/ops/functors/math.h>

template struct tapir::cpu::TAPIR_ISA::Stamp<tapir::vmath::fn::MathOps>;
