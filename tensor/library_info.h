// What the library is, and what it found on this machine.
#pragma once
#include <string>

namespace tapir {

/// What library_info() tells.
struct LibraryInfo {
  std::string version;  ///< "0.1.0"
  std::string cpu;      ///< the processor's name
  std::string cpu_isa;  ///< the best of x86-64-v2, v3 and v4 that the processor has
  std::string isa;      ///< the one that is used: it must be in the build, and TAPIR_ISA may lower it
  int threads = 0;      ///< that one operation may use; see num_threads()
  std::string onednn;   ///< its version; empty in a build without it
  bool cuda = false;    ///< is there a CUDA device? cuda_missing() says why not
};

/// Of the library that is loaded, on this machine.
LibraryInfo library_info();

}  // namespace tapir
