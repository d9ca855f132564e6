#include <tapir/autograd/functional.h>
