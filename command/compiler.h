// The user's C++ compiler, set up for the tapir that belongs to this command, with its header precompiled.
#pragma once
#include <tapir/command/place.h>

namespace tapir::command {

/// What a user may say about compiling.
struct CompileOptions {
  std::string flags;  // theirs, as for a shell
  bool full = false;  // everything that the compiler says
};

class Compiler {
 public:
  /// Throws Failure if there is none.
  explicit Compiler(const CompileOptions& options);

  /// Of all that a result depends on besides its source: compiler, flags, headers, library.
  const std::string& key() const { return key_; }
  const CompileOptions& options() const { return options_; }

  enum class Makes { program, module };  // module: a shared object that a session loads
  struct Job {
    fs::path source, out;
    fs::path quoted_includes = {};  // where `#include "x.h"` looks first
    fs::path dependencies = {};     // where to write what was included, as make has it
    bool debug = false;             // so that the linker knows lines
  };
  /// Makes the precompiled header if need be. `status` and `output` are the compiler's.
  Finished compile(Makes makes, const Job& job);

  /// Is this file part of tapir, of the compiler or of the system, as compile() names them?
  bool is_header_of_others(const std::string& file) const;

 private:
  Words command(Makes makes, const Job& job) const;
  void prepare();
  void precompile();

  CompileOptions options_;
  Words compiler_, flags_, link_flags_;
  bool clang_ = false;
  std::string key_;
  fs::path folder_;  // of the precompiled header
};

/// $CXX, else g++, else clang++, with its first arguments. Throws Failure if there is none.
Words chosen_compiler();

/// Where the precompiled headers are.
fs::path precompiled_folder();

}  // namespace tapir::command
