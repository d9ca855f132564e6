// World: the processes that mpirun started, and what they tell each other.
#pragma once
#include <tapir/tensor/error.h>
#include <tapir/tensor/tensor.h>

#include <memory>
#include <vector>

namespace tapir {
class Variable;
}

namespace tapir::distributed {

/// Processes do not understand each other any more: MPI failed, or they do not do the same.
class DistributedError : public Error {
  using Error::Error;
};

enum class Reduce : std::uint8_t { sum, mean, min, max };

/// The processes of `mpirun -n 4 program`, or this one alone without mpirun. Make one at the start of main, which lives
/// to its end. All calls are made by all processes in the same order, from one thread at a time.
///
/// If a process dies, mpirun ends the others, which say so in one line. A process that is left by an exception does not
/// take part in MPI's end, so that mpirun ends the others too.
class World {
 public:
  /// Throws UsageError if there was one before, DistributedError.
  explicit World(Where where = Where::current());
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// This process's number, from 0.
  int rank() const { return rank_; }
  /// How many there are.
  int size() const { return size_; }
  /// Is this the one that prints and writes files?
  bool first() const { return rank_ == 0; }
  /// Waits for all others.
  void barrier(Where where = Where::current()) const;
  /// The value that process `root` gives; shapes and dtypes must agree, else DistributedError in all of them.
  Tensor broadcast(const Tensor& x, int root = 0, Where where = Where::current()) const;
  /// The sum (mean, least, largest) over all processes, element by element; the same bits in all of them. Means and
  /// halves go through f32. Throws DistributedError if shapes or dtypes differ, DTypeError for bool and means of
  /// integers.
  Tensor all_reduce(const Tensor& x, Reduce how = Reduce::sum, Where where = Where::current()) const;
  /// Gives these variables the values that they have in process `root`.
  void broadcast_variables(const std::vector<Variable>& variables, int root = 0, Where where = Where::current()) const;

 private:
  int rank_ = 0, size_ = 1, unwinding_ = 0;
};

}  // namespace tapir::distributed
