#include <tapir/command/compiler.h>
#include <tapir/command/info.h>
#include <tapir/command/run.h>
#include <tapir/tensor/cuda.h>
#include <tapir/tensor/library_info.h>

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace tapir::command {
namespace {

using Json = nlohmann::ordered_json;

Json cache(const fs::path& folder) {
  const Usage u = usage_of(folder);
  return {{"path", folder.string()}, {"bytes", u.bytes}, {"files", u.files}};
}

// "g++ (Debian 12.2.0-14) 12.2.0", or why there is none.
std::string compiler_name() {
  try {
    const std::string said = run_program({chosen_compiler()[0], "--version"}).output;
    return said.substr(0, said.find('\n'));
  } catch (const Failure& f) {
    return f.what();
  }
}

Json info() {
  const LibraryInfo l = library_info();
  const char* autotune = std::getenv("TAPIR_AUTOTUNE");
  return {{"version", l.version},
          {"cpu", l.cpu},
          {"cpu_isa", l.cpu_isa},
          {"isa", l.isa},
          {"threads", l.threads},
          {"onednn", l.onednn.empty() ? Json() : Json(l.onednn)},
          {"cuda", l.cuda},
          {"command", place().command.string()},
          {"headers", place().headers.string()},
          {"library", place().library.string()},
          {"compiler", compiler_name()},
          {"caches", {{"programs", cache(programs_folder())}, {"precompiled_headers", cache(precompiled_folder())}}},
          {"autotune", autotune && *autotune ? Json(autotune) : Json()}};
}

std::string size_text(const Json& cache) {
  return fmt::format("{}  ({:.1f} MB in {} files)", cache["path"].get<std::string>(), double(cache["bytes"]) / 1e6,
                     cache["files"].get<int>());
}

}  // namespace

std::string info_text(bool json) {
  const Json j = info();
  if (json) return j.dump(2) + "\n";
  const auto text = [&](const char* key) { return j[key].get<std::string>(); };
  std::string s;
  const auto row = [&](const char* name, const std::string& value) { s += fmt::format("{:12} {}\n", name, value); };
  row("tapir", text("version"));
  row("processor", fmt::format("{}, {}", text("cpu"), text("cpu_isa")));
  row("kernels", text("isa") + (j["isa"] == j["cpu_isa"] ? "" : "  (TAPIR_ISA, or this build, has no more)"));
  row("threads", std::to_string(j["threads"].get<int>()));
  row("oneDNN", j["onednn"].is_null() ? "no: this build is without it" : text("onednn"));
  row("CUDA", j["cuda"].get<bool>() ? std::to_string(cuda_device_count()) + " devices" : "no: " + cuda_missing());
  row("headers", text("headers"));
  row("library", text("library"));
  row("compiler", text("compiler"));
  row("scripts", size_text(j["caches"]["programs"]));
  row("precompiled", size_text(j["caches"]["precompiled_headers"]));
  row("autotune", j["autotune"].is_null() ? "off  (TAPIR_AUTOTUNE=FILE turns it on)" : text("autotune"));
  return s;
}

std::string clean_caches() {
  std::uint64_t bytes = 0;
  for (auto& folder : {programs_folder(), precompiled_folder()}) {
    bytes += usage_of(folder).bytes;
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  return fmt::format("{:.1f} MB of compiled scripts and precompiled headers removed from {}.\n", double(bytes) / 1e6,
                     cache_folder().string());
}

}  // namespace tapir::command
