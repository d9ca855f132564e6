#include <tapir/autograd/gradient_tape.h>
