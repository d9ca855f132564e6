// take, take_along_axis, gather_nd, scatter_nd, boolean_mask, one_hot, nonzero.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
