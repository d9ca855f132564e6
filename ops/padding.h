// pad in its modes; flip and roll.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
