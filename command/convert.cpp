#include <tapir/command/convert.h>
#include <tapir/command/files.h>
#include <tapir_command_config.h>

#include <dlfcn.h>
#include <fmt/format.h>

namespace tapir::command {

// Opened, not linked: the command then needs no HDF5, and Debian's packages no more than they use.
std::string convert_file(const std::string& from, const std::string& to, const formats::ConvertOptions& options) {
  void* library = dlopen(kFormatsLibrary, RTLD_NOW);
  void* entry = library ? dlsym(library, "tapir_formats_convert") : nullptr;
  if (!entry)
    throw Failure(
        fmt::format("convert: needs libtapir_formats, which could not be opened ({}). It is Debian's package "
                    "{}; a build makes it where HDF5 is.",
                    dlerror(), kFormatsPackage));
  std::string said;
  reinterpret_cast<decltype(&tapir_formats_convert)>(entry)(from, to, options, said);
  return said;
}

}  // namespace tapir::command
