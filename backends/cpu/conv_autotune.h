// Choices among the algorithms of convolutions that were measured, and the file that keeps them.
#pragma once
#include <tapir/backends/cpu/conv.h>

namespace tapir::cpu {

/// Are choices measured? Set by autotune_convolutions() or TAPIR_AUTOTUNE.
bool autotuning();
/// What was measured to be fastest for the problem on num_threads() threads; null if it was not measured.
const ConvEntry* tuned_conv(const ConvProblem& p, ConvDirection d);
/// Measures those that can and are not expected to be far behind, and keeps the fastest. Writes no operand.
const ConvEntry& tune_conv(const ConvProblem& p, ConvDirection d, const ConvBuffers& b);

}  // namespace tapir::cpu
