// gradcheck: gradients against central differences.
#pragma once
#include <tapir/autograd/gradient_tape.h>

namespace tapir {}
