// concat, stack, unstack, split, tile, repeat.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
