// Other programs: run to their end with what they say, or in place of this one.
#pragma once
#include <tapir/command/files.h>

#include <string>
#include <vector>

namespace tapir::command {

using Words = std::vector<std::string>;

/// As a shell would take it apart: blanks, quotes, backslashes. No variables.
Words words_of(const std::string& text);

struct Finished {
  int status = 0;  // 128 + N for signal N
  std::string output;
  bool good() const { return status == 0; }
};
/// stdin is empty; stdout and stderr come together, in plain English (LC_ALL=C). Throws Failure if it cannot start.
Finished run_program(const Words& words);

/// The file that the shell would run for this name; empty if there is none.
fs::path program_called(const std::string& name);

}  // namespace tapir::command
