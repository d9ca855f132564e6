// `tapir run`: a script is compiled when it or what it includes has changed, and becomes this process.
#pragma once
#include <tapir/command/compiler.h>

namespace tapir::command {

/// Does not return where the script starts: exit status and signals are its own. `file` "-" is stdin. Throws Failure.
int run_script(const std::string& file, const Words& arguments, const CompileOptions& options);

/// Where compiled scripts are.
fs::path programs_folder();

}  // namespace tapir::command
