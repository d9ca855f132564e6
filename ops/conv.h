// Convolutions and their transposes.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
