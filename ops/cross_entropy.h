// Fused cross entropies with logits.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
