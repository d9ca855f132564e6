// moveaxis, expand_dims, squeeze, space_to_depth, depth_to_space, diag, tril, triu.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
