// What is fuzzed: for each reader a function that takes the bytes of a file.
#pragma once
#include <tapir/tensor/error.h>

#include <string>
#include <vector>

namespace fuzz {

struct Target {
  const char* name;
  bool (*run)(const std::string& bytes);  ///< true: it was read; false: it was refused
};
std::vector<Target> targets();
/// Those of libtapir_formats.
std::vector<Target> formats_targets();

/// A file with these bytes, in memory, of this process alone; the next call writes over it. Readers go by the ending.
std::string file_of(const std::string& bytes, const std::string& ending);
/// The folder that it is in.
const std::string& folder();

/// Reads. A reader refuses a file by FileError (or what else its header names); any other exception is a finding.
template <class... AlsoRefusals, class F>
bool reads(F f) {
  try {
    f();
    return true;
  } catch (const tapir::FileError&) {
  } catch (const tapir::OutOfMemoryError&) {
  } catch (const tapir::Error& e) {
    if (!(dynamic_cast<const AlsoRefusals*>(&e) || ...)) throw;
  }
  return false;
}

}  // namespace fuzz
