#include <tapir/distributed/mpi_calls.h>
#include <tapir/distributed/world.h>
#include <tapir/io/values.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/tensor/variable.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <exception>

namespace tapir::distributed {

namespace detail {

void check(const char* op, int status) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw DistributedError(fmt::format("{}: MPI failed: {}. Has another process died?", op, text));
}

MPI_Datatype mpi_type(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return MPI_DOUBLE;
    case DType::f32:
      return MPI_FLOAT;
    case DType::i64:
      return MPI_INT64_T;
    case DType::i32:
      return MPI_INT32_T;
    case DType::i16:
      return MPI_INT16_T;
    case DType::i8:
      return MPI_INT8_T;
    default:
      return MPI_UINT8_T;
  }
}

}  // namespace detail

using detail::check;

namespace {

char farewell[160];  // made before, since a signal handler must not

void on_terminate(int signal) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, farewell, std::strlen(farewell));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// The same question to all: does what they are about to exchange have one shape?
void check_alike(const char* op, const World& world, const Tensor& x) {
  constexpr int kNumbers = 2 + Shape::max_rank;
  std::int64_t mine[2 * kNumbers] = {std::int64_t(x.dtype()), x.rank()}, both[2 * kNumbers];
  for (int d = 0; d < x.rank(); ++d) mine[2 + d] = x.shape()[d];
  for (int i = 0; i < kNumbers; ++i) mine[kNumbers + i] = -mine[i];  // the largest of -v is the least v
  check(op, MPI_Allreduce(mine, both, 2 * kNumbers, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD));
  for (int i = 0; i < kNumbers; ++i)
    if (both[i] != -both[kNumbers + i])
      throw DistributedError(
          fmt::format("{}: processes give tensors of different shape or dtype; that of process {} is {} {}.", op,
                      world.rank(), name_of(x.dtype()), x.shape().str()));
}

Tensor copy_of(const Tensor& x, const char* op) {
  const Tensor dense = tapir::detail::dense_on_cpu(x, op, "");
  Tensor copy = Tensor::empty(dense.shape(), dense.dtype());
  std::memcpy(copy.mutable_data<std::byte>(), dense.data<std::byte>(),
              std::size_t(dense.size()) * size_of(dense.dtype()));
  return copy;
}

}  // namespace

World::World(Where where) : unwinding_(std::uncaught_exceptions()) {
  CallSite site(where);
  int before = 0, threads = 0;
  MPI_Initialized(&before);
  if (before) throw UsageError("World: there can be one in a program, and there was one.");
  // What a process says of itself must not be lost if it is ended.
  check("World", MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &threads));
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  if (size_ == 1) return;
  const auto end = fmt::format_to_n(
      farewell, sizeof farewell - 1,
      "tapir: process {} of {} is ended, as mpirun was stopped or another process died.\n", rank_, size_);
  *end.out = '\0';
  struct sigaction old;
  if (::sigaction(SIGTERM, nullptr, &old) == 0 && old.sa_handler == SIG_DFL) std::signal(SIGTERM, on_terminate);
}

World::~World() {
  if (std::uncaught_exceptions() > unwinding_) return;  // the others must not wait for this one
  MPI_Finalize();
}

void World::barrier(Where where) const {
  CallSite site(where);
  check("barrier", MPI_Barrier(MPI_COMM_WORLD));
}

Tensor World::broadcast(const Tensor& x, int root, Where where) const {
  CallSite site(where);
  if (root < 0 || root >= size_)
    throw UsageError(fmt::format("broadcast: root must be in [0, {}), got {}.", size_, root));
  Tensor copy = copy_of(x, "broadcast");
  check_alike("broadcast", *this, copy);
  auto* bytes = copy.mutable_data<std::byte>();
  std::int64_t left = copy.size() * std::int64_t(size_of(copy.dtype()));
  for (; left > 0; left -= detail::kMostElements, bytes += detail::kMostElements)
    check("broadcast", MPI_Bcast(bytes, int(std::min(left, detail::kMostElements)), MPI_BYTE, root, MPI_COMM_WORLD));
  return copy.to(x.device());
}

void World::broadcast_variables(const std::vector<Variable>& variables, int root, Where where) const {
  CallSite site(where);
  for (Variable v : variables) v.assign(broadcast(v.value(), root));
}

Tensor World::all_reduce(const Tensor& x, Reduce how, Where where) const {
  CallSite site(where);
  if (x.dtype() == DType::boolean || (how == Reduce::mean && !is_floating(x.dtype())))
    throw DTypeError(fmt::format("all_reduce: {} cannot be {}. Cast it first.", name_of(x.dtype()),
                                 how == Reduce::mean ? "averaged" : "reduced"));
  Tensor all = copy_of(is_half(x.dtype()) ? x.astype(DType::f32) : x, "all_reduce");
  check_alike("all_reduce", *this, all);
  auto* at = all.mutable_data<std::byte>();
  const MPI_Op op = how == Reduce::min ? MPI_MIN : how == Reduce::max ? MPI_MAX : MPI_SUM;
  const auto step = std::size_t(detail::kMostElements) * size_of(all.dtype());
  for (std::int64_t left = all.size(); left > 0; left -= detail::kMostElements, at += step)
    check("all_reduce", MPI_Allreduce(MPI_IN_PLACE, at, int(std::min(left, detail::kMostElements)),
                                      detail::mpi_type(all.dtype()), op, MPI_COMM_WORLD));
  if (how == Reduce::mean) all = all / double(size_);
  return all.astype(x.dtype()).to(x.device());
}

}  // namespace tapir::distributed
