// `tapir repl`: reads entries from a terminal or a pipe and has a session run them.
#pragma once
#include <tapir/command/compiler.h>

namespace tapir::command {

/// Until :quit or the end of stdin. From a pipe, 1 if any entry failed, else 0. `echo`: shows what it reads from a
/// pipe, as a terminal would, for transcripts.
int run_repl(const CompileOptions& options, bool echo);

}  // namespace tapir::command
