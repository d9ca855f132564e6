// What runs around main() of a script: an exception that nobody catches ends it with its message alone. Compiled into
// one object beside the precompiled header, and linked with --wrap=main.
#pragma once
#include <tapir/command/thrown.h>

extern "C" int __real_main(int, char**, char**);
extern "C" int __wrap_main(int argc, char** argv, char** environment) {
  // For threads and destructors; main() itself is left in the ordinary way, so that files are closed.
  std::set_terminate([] {
    if (auto thrown = std::current_exception()) tapir::command::show_exception(thrown);
    std::abort();
  });
  try {
    return __real_main(argc, argv, environment);
  } catch (...) {
    tapir::command::show_exception(std::current_exception());
  }
  return 1;
}
