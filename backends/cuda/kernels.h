// The kernels of this backend by the names of their rows. A row does not name them: it is part of a library that must
// not need this one. Each family file lists its own; module.cpp makes the table.
#pragma once
#include <tapir/ops/op.h>

#include <string_view>

namespace tapir::cuda {

struct NamedKernel {
  std::string_view op;
  Kernel kernel;
};
using KernelList = std::vector<NamedKernel>;

void list_arithmetic(KernelList& out);
void list_math(KernelList& out);
void list_special(KernelList& out);
void list_activation(KernelList& out);
void list_compare(KernelList& out);
void list_copy(KernelList& out);
void list_reduce(KernelList& out);
void list_scan(KernelList& out);
void list_gather(KernelList& out);
void list_sort(KernelList& out);
void list_random(KernelList& out);
void list_matmul(KernelList& out);
void list_conv(KernelList& out);
void list_pool(KernelList& out);
void list_normalization(KernelList& out);
void list_softmax(KernelList& out);
void list_optimizer(KernelList& out);
void list_fused(KernelList& out);
void list_fft(KernelList& out);

}  // namespace tapir::cuda
