// Max, average and global pooling.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
