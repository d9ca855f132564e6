// What a tape keeps for the gradient of an op.
#pragma once
#include <cstdint>

namespace tapir {

/// What a gradient reads; the tape drops the rest at once.
enum class Saves : std::uint8_t { none, inputs, output, both };

}  // namespace tapir
