// A session of C++: each entry is compiled against all before it, loaded, and run in this process.
#pragma once
#include <tapir/command/compiler.h>

#include <set>

namespace tapir::command {

class Session {
 public:
  explicit Session(const CompileOptions& options);
  ~Session();

  /// Runs one entry, which may be several statements and definitions. What it shows goes to stdout; what is wrong with
  /// it to stderr, and false comes back: if it did not compile, nothing of it happened.
  bool enter(const std::string& text);
  /// Shows the type of an expression, without computing it.
  bool show_type(const std::string& expression);
  /// What was declared, one line each.
  std::string names() const;
  /// How many entries there were; messages call them [1], [2], ...
  int entries() const { return entries_; }

 private:
  struct Entry;
  std::string source_of(const Entry& entry) const;
  bool load_and_run(const Entry& entry);
  void remember(const Entry& entry);
  void remember_variable(const std::string& declaration, const std::string& name, int slot);
  void declare(const std::string& name, const std::string& what);

  Compiler compiler_;
  TemporaryFolder folder_;
  int entries_ = 0, slots_ = 0, levels_ = 0;
  std::string directives_, items_;     // of the entries so far, as source text
  std::set<std::string> level_names_;  // of the innermost level: a name that comes again opens a level of its own
  std::vector<std::pair<std::string, std::string>> declared_;  // name, what it is
};

}  // namespace tapir::command
