// Batch, layer, group and RMS normalisation.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
