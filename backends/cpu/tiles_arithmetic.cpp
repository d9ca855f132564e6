#include <tapir/backends/cpu/tiles.h>
#include <tapir/ops/functors/arithmetic.h>

template struct tapir::cpu::TAPIR_ISA::Stamp<tapir::vmath::fn::ArithmeticOps>;
