// `tapir info` and `tapir clean`: what there is, where, and how much of it.
#pragma once
#include <string>

namespace tapir::command {

/// For people, or as JSON.
std::string info_text(bool json);

/// Empties the caches; returns what was there, in words.
std::string clean_caches();

}  // namespace tapir::command
