// NumPy indexing: integers, ranges, ellipsis, new axes, integer and boolean arrays.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
