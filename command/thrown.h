// What an exception that nobody catches has to say.
#pragma once
#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <typeinfo>

namespace tapir::command {

// tapir's own begin with the user's line; others say what they are.
inline void show_exception(std::exception_ptr thrown) {
  std::string message = "something was thrown that is no std::exception";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    int status = 0;
    char* type = abi::__cxa_demangle(typeid(e).name(), nullptr, nullptr, &status);
    const std::string name = type ? type : typeid(e).name();
    std::free(type);
    message = (name.rfind("tapir::", 0) == 0 ? "" : name + ": ") + e.what();
  } catch (...) {
  }
  std::cout.flush();
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", message.c_str());
}

}  // namespace tapir::command
