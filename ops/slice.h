// Strided slices, the base of NumPy indexing.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
