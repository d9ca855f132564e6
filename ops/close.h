// allclose, array_equal.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
