// Where things are: the headers and the library that belong to this command, and the folder of its caches.
#pragma once
#include <tapir/command/files.h>
#include <tapir/command/process.h>

namespace tapir::command {

struct Place {
  fs::path command;      // this program
  fs::path headers;      // the folder that holds tapir/
  fs::path library;      // libtapir.so, or libtapir.a
  bool shared = true;    // which of the two
  Words public_headers;  // below tapir/
};

/// Found beside this program: an installed prefix, or a build folder. Throws Failure.
const Place& place();

/// $XDG_CACHE_HOME/tapir, else ~/.cache/tapir, else a folder of this user's in /tmp; made if it is not there. Throws
/// Failure.
const fs::path& cache_folder();

}  // namespace tapir::command
