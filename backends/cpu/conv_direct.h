// oneDNN's convolutions, as `direct` of f32 operands and as `bf16` of their pieces.
#pragma once
#include <tapir/backends/cpu/bf16.h>
#include <tapir/backends/cpu/conv.h>

namespace tapir::cpu {

/// In parts for the threads, each of which makes its own pieces of images. The result is f32.
void run_direct(const ConvProblem& p, ConvDirection d, const ConvBuffers& b, Pieces s);
/// As ConvEntry::cost, of f32 operands.
double direct_cost(const ConvProblem& p, ConvDirection d);

/// The convolution that pieces of the operands of `d` make: they are concatenated along what it sums over, which is
/// input channels (of each group) forward, output channels for the input gradient, images for the kernel gradient.
ConvProblem of_pieces(ConvProblem p, ConvDirection d, Pieces s);
/// The pieces of the operands, dense as of_pieces() describes them.
void split_x(const ConvProblem& p, ConvDirection d, Pieces s, const void* x, void* to);
void split_kernel(const ConvProblem& p, ConvDirection d, Pieces s, const void* kernel, void* to);
void split_y(const ConvProblem& p, ConvDirection d, Pieces s, const void* y, void* to);

}  // namespace tapir::cpu
