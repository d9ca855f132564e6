// TAPIR_HD marks what kernels of a GPU call too: the compiler of CUDA then makes it twice, for others it is nothing.
#pragma once

#ifdef __CUDACC__
#define TAPIR_HD __host__ __device__
#else
#define TAPIR_HD
#endif
