#include <tapir/backends/cpu/tiles.h>
#include <tapir/ops/functors/pairs.h>

template struct tapir::cpu::TAPIR_ISA::Stamp<tapir::vmath::fn::Pairs>;
