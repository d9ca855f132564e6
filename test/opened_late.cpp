// usage: opened_late LIBRARY: a program that was not linked with it opens libtapir, as plug-ins and interpreters do.
#include <dlfcn.h>

#include <cstdio>

int main(int, char** argv) {
  void* library = dlopen(argv[1], RTLD_NOW);
  if (!library) {
    std::puts(dlerror());
    return 1;
  }
  return dlsym(library, "_ZNK5tapir8Variable7versionEv") ? 0 : 2;
}
