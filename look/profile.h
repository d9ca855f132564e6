// Where the time goes: each operation with its shapes, the user's line and how near it comes to what the machine can
// do.
//
//     {
//       Profile profile("trace.json");      // open it in chrome://tracing or https://ui.perfetto.dev
//       model.fit(x, y, {.epochs = 1});
//       std::cout << profile.summary();
//     }
#pragma once
#include <tapir/ops/roof.h>
#include <tapir/tensor/tensor.h>

#include <memory>
#include <string>
#include <vector>

namespace tapir {

struct ProfileOptions {
  std::size_t max_events = 1'000'000;  ///< later ones are counted and not kept
};

/// How a table of a profile sums up.
enum class ProfileBy {
  op,    ///< by operation; fused groups by what they hold
  line,  ///< by the line of the user's program
  scope  ///< by ProfileScope, function, layer, gradient: with all that runs inside
};
struct ProfileSummaryOptions {
  ProfileBy by = ProfileBy::op;
  int rows = 20;  ///< those with most time
};

/// One operation that ran, or a scope around several.
struct ProfileEvent {
  std::string name;
  std::string kind;                         ///< "op"; else that of a scope: "scope", "function", "layer", "trace", ...
  std::string fused;                        ///< what a fused group holds: "multiply, add, relu"
  std::string line;                         ///< "train.cpp:41"; empty if it is not known
  std::vector<TensorSpec> inputs, outputs;  ///< of an operation
  int thread = 0;                           ///< 1 is the first that did anything
  int depth = 0;                            ///< in how many others it lies
  double start = 0;                         ///< seconds since the profile began
  double seconds = 0;
  double own_seconds = 0;  ///< without those inside
  double bytes = 0;        ///< operands and results, each once: what must be moved at least
  double flops = 0;        ///< 0 where the operation is not made of multiply-adds
  /// The least time that bytes and flops take at the machine's roof, as a share of `seconds`. Above 1 where operands
  /// are in cache: the roof is that of memory.
  double share = 0;
};

/// Records what all threads of the process do while it lives, eager and in functions. One at a time. An operation that
/// is recorded takes about 0.2 us longer; one that is not costs nothing. Views (reshape, slices) move nothing and are
/// not listed.
class Profile {
 public:
  /// With a path, a Chrome trace is written there when the profile stops. Throws UsageError if another one runs,
  /// FileError if the path cannot be written.
  explicit Profile(const std::string& path = "", const ProfileOptions& options = {}, Where where = Where::current());
  /// Stops. An error of writing goes to stderr.
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  /// Ends the recording and writes the trace. Once; calls after the first do nothing. Throws FileError.
  void stop(Where where = Where::current());
  /// A table of what took most time. Stops.
  std::string summary(const ProfileSummaryOptions& options = {}, Where where = Where::current());
  /// All events in order of their start. Stops.
  std::vector<ProfileEvent> events(Where where = Where::current());
  /// Writes the Chrome trace to this path too. Stops. Throws FileError.
  void save(const std::string& path, Where where = Where::current());
  /// What shares are of: machine_roof(), as measured when the profile stopped.
  Roof roof(Where where = Where::current());

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Names what this thread does while it lives, in profiles: `ProfileScope step("epoch 3");`
class ProfileScope {
 public:
  explicit ProfileScope(const std::string& name, Where where = Where::current());
  ~ProfileScope();
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  std::uint64_t token_;
};

}  // namespace tapir
