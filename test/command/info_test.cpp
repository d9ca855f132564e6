// `tapir info`, `tapir --help` and the like.
#include <tapir/tensor/library_info.h>
#include <tapir/test/command/shell.h>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using shell::Folder;

TEST_CASE("info --json says what the library says, and where things are") {
  Folder f;
  const auto r = f.run("TAPIR_NUM_THREADS=3 tapir info --json");
  CHECK(r.status == 0);
  const auto j = nlohmann::json::parse(r.out);
  const auto info = tapir::library_info();
  CHECK(j["version"] == info.version);
  CHECK(j["isa"] == info.isa);
  CHECK(j["cpu_isa"] == info.cpu_isa);
  CHECK(j["cpu"] == info.cpu);
  CHECK(j["threads"] == 3);
  CHECK(j["cuda"] == false);
  CHECK(j["onednn"].is_null() == info.onednn.empty());
  CHECK(shell::fs::exists(j["headers"].get<std::string>() + "/tapir/tapir.h"));
  CHECK(shell::fs::exists(j["library"].get<std::string>()));
  CHECK(j["caches"]["programs"]["path"] == std::string(std::getenv("TAPIR_TEST_CACHE")) + "/tapir/programs");
  CHECK(j["autotune"].is_null());
}

TEST_CASE("info for people, with an instruction set that was lowered") {
  Folder f;
  const auto r = f.run("TAPIR_ISA=v2 XDG_CACHE_HOME=$PWD/empty tapir info");
  CHECK(r.out.find("kernels      x86-64-v2") != std::string::npos);
  CHECK(r.out.find("/empty/tapir/programs  (0.0 MB in 0 files)") != std::string::npos);
}

TEST_CASE("Help has examples, and a wrong word is one line") {
  Folder f;
  for (const char* command : {"", "run", "repl", "graph"}) {
    const auto r = f.run(std::string("tapir ") + command + " --help");
    CHECK(r.status == 0);
    CHECK(r.out.find("Examples:\n  tapir ") != std::string::npos);
  }
  CHECK(f.run("tapir").out == f.run("tapir --help").out);
  CHECK(f.run("tapir --version").out == "tapir " + tapir::library_info().version + "\n");
  const auto wrong = f.run("tapir ruin");
  CHECK(wrong.status != 0);
  CHECK(wrong.err == "tapir: The following argument was not expected: ruin. See tapir --help.\n");
}

TEST_CASE("A cache that cannot be where it should be is elsewhere") {
  Folder f;
  const auto r = f.run("XDG_CACHE_HOME=/dev/null tapir info --json");
  const auto j = nlohmann::json::parse(r.out);
  CHECK(j["caches"]["programs"]["path"].get<std::string>().find("/tapir-") != std::string::npos);
}
