// Where: the last parameter of every public function.
#pragma once
#include <source_location>

namespace tapir {

/// The place in the user's program that called us; errors name it.
using Where = std::source_location;

}  // namespace tapir
