// What the compiler and the linker say, for people: the user's line first, without what happened inside of headers.
#pragma once
#include <functional>
#include <map>
#include <string>

namespace tapir::command {

struct Diagnosis {
  std::string text;  // lines to show; empty if there is nothing that concerns the user
  int cut = 0;       // messages of the compiler that are not among them
};

struct DiagnosisContext {
  /// Headers of tapir, of the compiler, of the system.
  std::function<bool(const std::string& file)> is_others;
  /// Texts that lie in no file of that name, as a script from stdin.
  std::map<std::string, std::string> texts = {};
  /// Lines are shown without their place where there is one line alone.
  bool places = true;
};

/// `said`: stdout and stderr of gcc or clang, with its linker.
Diagnosis diagnosis_of(const std::string& said, const DiagnosisContext& context);

}  // namespace tapir::command
