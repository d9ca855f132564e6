#include <tapir/autograd/custom_gradient.h>
