// usage: replay CORPUS: runs each target over the files of CORPUS/NAME, without a sanitizer. Whatever a fuzzer found
// and was mended lies there. A target that reads none of its files tests nothing, which is an error too.
#include <tapir/test/fuzz/targets.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace fs = std::filesystem;

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int failed = 0;
  for (auto& target : fuzz::targets()) {
    std::vector<fs::path> files;
    const fs::path folder = fs::path(argv[1]) / target.name;
    if (fs::exists(folder))
      for (auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    std::size_t read = 0;
    for (auto& path : files) {
      std::ifstream in(path, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), {}};
      try {
        read += target.run(bytes);
      } catch (const std::exception& e) {
        std::printf("%s: %s: %s\n", target.name, path.filename().c_str(), e.what());
        ++failed;
      }
    }
    std::printf("%s: %zu files, %zu of them are read\n", target.name, files.size(), read);
    std::fflush(stdout);
    failed += read == 0;
  }
  return failed ? 1 : 0;
}
