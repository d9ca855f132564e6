// IDX files, the format of the MNIST digits and their kin: http://yann.lecun.com/exdb/mnist/
#pragma once
#include <tapir/tensor/tensor.h>

#include <string>

namespace tapir::data {

/// Pictures and what they show.
struct ImageSet {
  Tensor images;  ///< [N, H, W, channels]; of an IDX file f32, 0 (black) to 1 (white)
  Tensor labels;  ///< i64 [N]
};
/// What a set is trained with, and what it is tested with.
struct TrainTest {
  ImageSet train, test;
};

/// Reads MNIST, or Fashion-MNIST, whose files have the same names: `load_idx(folder, "train")` and `load_idx(folder,
/// "t10k")`. Throws FileError.
TrainTest load_mnist(const std::string& folder, Where where = Where::current());

/// Reads `<folder>/<prefix>-images-idx3-ubyte` and `<folder>/<prefix>-labels-idx1-ubyte`, or the same with `.gz`, or
/// with a dot before `idx`; the digits' prefixes are "train" and "t10k". Bytes become f32 by x / 255. Throws FileError
/// if a file is missing, damaged, or of another kind, or if there are not as many labels as images.
ImageSet load_idx(const std::string& folder, const std::string& prefix, Where where = Where::current());

/// Reads one IDX file, plain or gzipped, as a tensor of the file's own dtype: u8, i8, i16, i32, f32 or f64. Throws
/// FileError.
Tensor read_idx(const std::string& path, Where where = Where::current());

}  // namespace tapir::data
