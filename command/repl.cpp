#include <tapir/command/pieces.h>
#include <tapir/command/repl.h>
#include <tapir/command/session.h>
#include <tapir_command_config.h>

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <optional>
#ifdef TAPIR_LIBEDIT
#include <editline/readline.h>
#endif

namespace tapir::command {
namespace {

constexpr const char* kHelp = R"(Type C++; tapir's names need no prefix. An expression without `;` shows its value.
Variables, functions, types and #include lines stay; a name that is declared again hides the earlier one.
An entry goes on over several lines while a bracket is open, or the line ends with , = + - << && || ? -> or .

  :type EXPRESSION   its type, without computing it
  :names             what was declared
  :help              this list
  :quit              or Ctrl-D
)";

// Lines of stdin: with editing and history on a terminal, bare from a pipe.
class Input {
 public:
  explicit Input(bool echo) : terminal_(isatty(0) && isatty(1)), echo_(echo) {
#ifdef TAPIR_LIBEDIT
    if (!terminal_) return;
    history_ = cache_folder() / "repl_history";
    using_history();
    read_history(history_.c_str());
    stifle_history(1000);
#endif
  }
  ~Input() {
#ifdef TAPIR_LIBEDIT
    if (terminal_) write_history(history_.c_str());
#endif
  }
  bool terminal() const { return terminal_; }

  /// Nothing at the end of input. Ctrl-C gives nothing too, and sets `abandoned`.
  std::optional<std::string> line(const std::string& prompt) {
    abandoned = false;
#ifdef TAPIR_LIBEDIT
    if (terminal_) return edited(prompt);
#endif
    if (terminal_) std::cout << prompt << std::flush;
    std::string s;
    if (!std::getline(std::cin, s)) return {};
    if (echo_ && !terminal_) std::cout << prompt << s << std::endl;
    return s;
  }
  bool abandoned = false;

 private:
#ifdef TAPIR_LIBEDIT
  std::optional<std::string> edited(const std::string& prompt) {
    interrupted = 0;
    std::signal(SIGINT, [](int) { interrupted = 1; });
    char* typed = readline(prompt.c_str());
    std::signal(SIGINT, SIG_DFL);  // an entry that runs can be stopped, with all else
    abandoned = interrupted;
    if (abandoned) std::cout << "\n";
    if (!typed || abandoned) return {};
    std::string s = typed;
    std::free(typed);
    if (!s.empty()) add_history(s.c_str());
    return s;
  }
  static inline volatile std::sig_atomic_t interrupted = 0;
#endif

  bool terminal_, echo_;
  fs::path history_;
};

// A crash ends the session, and says which entry it was. Only what a signal handler may do.
std::string crash_text;  // made before the entry runs
void on_crash(int signal) {
  [[maybe_unused]] auto ignored = write(2, crash_text.data(), crash_text.size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string trimmed(const std::string& s) {
  const auto begin = s.find_first_not_of(" \t"), end = s.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : s.substr(begin, end - begin + 1);
}

// True if the session goes on.
bool obey(Session& session, const std::string& line, bool& good) {
  const std::size_t blank = line.find(' ');
  const std::string word = line.substr(0, blank), rest = blank == std::string::npos ? "" : trimmed(line.substr(blank));
  if (word == ":quit" || word == ":q") return false;
  if (word == ":help" || word == ":h") std::cout << kHelp;
  else if (word == ":names") std::cout << session.names();
  else if (word == ":type" && !rest.empty()) good &= session.show_type(rest);
  else std::fprintf(stderr, "There is no command %s; :help lists them.\n", line.c_str()), good = false;
  std::cout.flush();
  return true;
}

// An entry, whole; nothing at the end of input. Empty if it was abandoned.
std::optional<std::string> read_entry(Input& input, int number) {
  const std::string prompt = fmt::format("[{}] ", number), more_prompt = std::string(prompt.size() - 3, ' ') + ".. ";
  auto text = input.line(prompt);
  if (!text) return input.abandoned ? std::optional<std::string>("") : text;
  while (goes_on(*text)) {
    auto more = input.line(more_prompt);
    if (input.abandoned) return "";
    if (!more) break;
    *text += "\n" + *more;
  }
  return text;
}

}  // namespace

int run_repl(const CompileOptions& options, bool echo) {
  if (!place().shared)
    throw Failure("repl: this tapir has no shared library (it was built with -Ddefault_library=static).");
  Session session(options);
  Input input(echo);
  for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) std::signal(s, on_crash);
  if (input.terminal()) std::cout << "tapir " << kVersion << ". Type C++; :help lists what else. Ctrl-D ends.\n";
  bool good = true;
  while (const auto text = read_entry(input, session.entries() + 1)) {
    const std::string word = trimmed(*text);
    if (word.empty()) continue;
    if (word[0] == ':' && word.rfind("::", 0) != 0) {
      if (!obey(session, word, good)) break;
      continue;
    }
    crash_text = fmt::format("tapir: entry [{}] crashed; the session is over.\n", session.entries() + 1);
    good &= session.enter(*text);
  }
  if (input.terminal()) std::cout << "\n";
  return good || input.terminal() ? 0 : 1;
}

}  // namespace tapir::command
