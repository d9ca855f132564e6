// matmul, vecdot, outer, tensordot.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
