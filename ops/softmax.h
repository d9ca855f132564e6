// softmax, log_softmax, logsumexp.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {}
