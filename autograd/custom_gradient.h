// custom_gradient, recompute.
#pragma once
#include <tapir/autograd/gradient_tape.h>

namespace tapir {}
