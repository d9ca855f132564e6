// grad, value_and_grad, jvp.
#pragma once
#include <tapir/autograd/gradient_tape.h>

namespace tapir {}
