// einsum.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
