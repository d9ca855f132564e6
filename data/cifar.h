// CIFAR-10 and CIFAR-100 in their binary version: https://www.cs.toronto.edu/~kriz/cifar.html
#pragma once
#include <tapir/data/idx.h>

namespace tapir::data {

/// Reads `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` of `folder`, or of `cifar-10-batches-bin` in it.
/// images: u8 [N, 32, 32, 3]; labels: i64 [N], 0 (airplane) to 9 (truck). Throws FileError if a file is missing or
/// damaged.
TrainTest load_cifar10(const std::string& folder, Where where = Where::current());

/// The 100 classes, or the 20 groups of them.
enum class Cifar100Labels { fine, coarse };

/// Reads `train.bin` and `test.bin` of `folder`, or of `cifar-100-binary` in it. images: u8 [N, 32, 32, 3]; labels: i64
/// [N], 0 to 99, or to 19 if coarse. Throws FileError if a file is missing or damaged.
TrainTest load_cifar100(const std::string& folder, Cifar100Labels labels = Cifar100Labels::fine,
                        Where where = Where::current());

}  // namespace tapir::data
