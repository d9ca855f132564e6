#include <tapir/command/process.h>

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>

extern char** environ;

namespace tapir::command {

Words words_of(const std::string& text) {
  Words out;
  bool within = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (!quote && std::isspace(static_cast<unsigned char>(c))) {
      within = false;
      continue;
    }
    if (!within) out.emplace_back(), within = true;
    if (quote ? c == quote : c == '"' || c == '\'') {
      quote = quote ? 0 : c;
      continue;
    }
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) c = text[++i];
    out.back() += c;
  }
  return out;
}

fs::path program_called(const std::string& name) {
  const auto runs = [](const fs::path& p) { return access(p.c_str(), X_OK) == 0 && fs::is_regular_file(p); };
  if (name.find('/') != std::string::npos) return runs(name) ? fs::path(name) : fs::path();
  const char* all = std::getenv("PATH");
  std::string path = all ? all : "/usr/local/bin:/usr/bin:/bin";
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    if (end > at)
      if (fs::path p = fs::path(path.substr(at, end - at)) / name; runs(p)) return p;
    at = end + 1;
  }
  return {};
}

namespace {

// The environment, with messages in English.
struct PlainEnvironment {
  Words text;
  std::vector<char*> pointers;
  PlainEnvironment() {
    for (char** e = environ; *e; ++e)
      if (std::strncmp(*e, "LC_", 3) != 0 && std::strncmp(*e, "LANG", 4) != 0) text.emplace_back(*e);
    text.emplace_back("LC_ALL=C");
    for (auto& t : text) pointers.push_back(t.data());
    pointers.push_back(nullptr);
  }
};

std::string read_all(int file) {
  std::string out;
  char buffer[1 << 14];
  for (ssize_t n; (n = read(file, buffer, sizeof buffer)) != 0;) {
    if (n > 0) out.append(buffer, std::size_t(n));
    else if (errno != EINTR) break;
  }
  return out;
}

}  // namespace

Finished run_program(const Words& words) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw Failure(fmt::format("no pipe: {}.", std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  PlainEnvironment environment;
  std::vector<char*> arguments;
  for (auto& w : words) arguments.push_back(const_cast<char*>(w.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int wrong =
      posix_spawnp(&child, words[0].c_str(), &actions, nullptr, arguments.data(), environment.pointers.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  Finished done;
  if (!wrong) done.output = read_all(ends[0]);
  close(ends[0]);
  if (wrong) throw Failure(fmt::format("{} cannot be started: {}.", words[0], std::strerror(wrong)), 127);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  done.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return done;
}

}  // namespace tapir::command
