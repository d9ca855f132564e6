// arange, linspace, eye, meshgrid.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
