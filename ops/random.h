// Random numbers: Philox streams, distributions.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
