// Resizing images: nearest, bilinear.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
