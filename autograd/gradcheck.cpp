#include <tapir/autograd/gradcheck.h>
