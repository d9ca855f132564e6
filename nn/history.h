// What training and evaluation report. The values of training come first, sorted, then those of validation: "accuracy",
// "loss", "val_accuracy", ...
#pragma once
#include <tapir/tensor/named_values.h>

namespace tapir::nn {

/// Loss and metrics of one epoch or one evaluation: `logs["accuracy"]`.
using Logs = NamedValues<double>;
/// The same for each epoch: `history["val_loss"].back()`.
using History = NamedValues<std::vector<double>>;

}  // namespace tapir::nn
