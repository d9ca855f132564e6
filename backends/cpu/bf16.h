// Products of bf16 numbers with f32 sums: whether this machine has them, and f32 operands as such numbers.
#pragma once
#include <tapir/ops/precision.h>
#include <tapir/tensor/dtype.h>

namespace tapir::cpu {

/// What multiplies bf16 numbers here. `emulated` is for tests: TAPIR_BF16=emulate in the environment has the same code
/// multiply the same numbers as f32, in which their products are exact.
enum class Bf16 { none, emulated, avx512, amx };
/// Decided once, by what oneDNN finds (it asks the CPU, the OS and DNNL_MAX_CPU_ISA) where kernels of x86-64-v4 are
/// used.
Bf16 bf16();

/// An f32 operand of a product as bf16 numbers, side by side along what the product sums over.
struct Pieces {
  int count = 0;             // 0: the operand as it is; 1: it rounded; 3: [high, high, low] times [high, low, high]
  DType dtype = DType::f32;  // what they are kept in
};
/// Those of a precision; none where it is f32's.
Pieces pieces_of(Precision precision);
/// How long the products of all pieces are expected to take, where those of f32 take 1.
double time_of(Pieces s);
/// ... including making pieces of `numbers` f32 numbers, are they expected to be faster?
bool pieces_pay(Pieces s, double multiply_adds, double numbers);

enum class Side { left, right };
/// Piece i of from[n] goes to `to`, `i * apart` numbers on.
void split(const float* from, std::int64_t n, Pieces s, Side side, void* to, std::int64_t apart);
/// from[runs, n] -> to[runs, s.count, n], on all threads.
void split_runs(const float* from, std::int64_t runs, std::int64_t n, Pieces s, Side side, void* to);

}  // namespace tapir::cpu
