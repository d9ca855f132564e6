// Cumulative sums and products.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
