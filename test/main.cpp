// What every test program starts with: the instruction set that TAPIR_ISA asks for, and the machine's bf16 products
// where TAPIR_BF16=machine does, or 77, which meson reports as skipped.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
  const char* isa = std::getenv("TAPIR_ISA");
  const std::string asked = isa ? isa : "";
  __builtin_cpu_init();
  if ((asked == "v4" && !__builtin_cpu_supports("x86-64-v4")) ||
      (asked == "v3" && !__builtin_cpu_supports("x86-64-v3"))) {
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
