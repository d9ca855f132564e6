#include <tapir/tensor/device.h>
#include <tapir/tensor/error.h>
#include <tapir/tensor/named_values.h>

#include <cstring>
#include <ostream>

namespace tapir {

static std::string located(const std::string& message) {
  const Where* w = CallSite::current();
  if (!w || !*w->file_name()) return message;
  const char* slash = std::strrchr(w->file_name(), '/');
  return std::string(slash ? slash + 1 : w->file_name()) + ":" + std::to_string(w->line()) + ": " + message;
}

Error::Error(const std::string& message) : std::runtime_error(located(message)) {}

void detail::no_such_value(const std::string& name, const std::vector<std::string>& known) {
  std::string list;
  for (auto& n : known) list += (list.empty() ? " There are: " : ", ") + n;
  throw UsageError("results: there is no '" + name + "'." + (list.empty() ? " They are empty." : list + "."));
}

std::string Device::str() const {
  return backend == Backend::cpu ? std::string("cpu") : "cuda:" + std::to_string(index);
}
std::ostream& operator<<(std::ostream& os, const Device& d) { return os << d.str(); }

}  // namespace tapir
