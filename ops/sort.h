// sort, argsort, top_k, searchsorted.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
