// What the files of this room share of MPI. Internal to distributed/.
#pragma once
#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <tapir/tensor/dtype.h>

#include <mpi.h>

#include <cstdint>

namespace tapir::distributed::detail {

/// Throws DistributedError unless `status` is success.
void check(const char* op, int status);
/// MPI counts in int: calls take at most so many elements.
inline constexpr std::int64_t kMostElements = std::int64_t(1) << 28;
/// Of f32, f64 and the integers.
MPI_Datatype mpi_type(DType dtype);

}  // namespace tapir::distributed::detail
