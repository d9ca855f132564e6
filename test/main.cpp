// What every test program starts with: the instruction set that TAPIR_ISA asks for, and the machine's bf16 products
// where TAPIR_BF16=machine does, or 77, which meson reports as skipped.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <tapir/backends/cpu/isa.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
  const char* isa = std::getenv("TAPIR_ISA");
  const std::string asked = isa ? isa : "";
  const tapir::cpu::Isa has = tapir::cpu::processor_isa();
  if ((asked == "v4" && has < tapir::cpu::Isa::v4) || (asked == "v3" && has < tapir::cpu::Isa::v3)) {
    std::printf("skipped: this machine lacks x86-64-%s\n", isa);
    return 77;
  }
  const char* bf16 = std::getenv("TAPIR_BF16");
  if (bf16 && std::string(bf16) == "machine" && !__builtin_cpu_supports("avx512bf16")) {
    std::printf("skipped: this machine has no bf16 products\n");
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
