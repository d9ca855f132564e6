// Which weights depend on the order of an image's numbers in a vector. Internal to nn/.
#pragma once
#include <tapir/nn/layer.h>

#include <map>

namespace tapir::nn::detail {

/// By a variable's cell: the sizes [H, W, C] of the image that the dimension counts through.
struct FlattenedImages {
  std::map<const void*, Shape> rows,  // the first dimension of a kernel: [H, W, C] flattened, and multiplied with it
      columns;                        // the last one, of kernels and vectors: what is reshaped to [H, W, C], or was
};

/// Found by tracing a call of the model. Throws UsageError, naming `op`, if it cannot be traced.
FlattenedImages flattened_images(const char* op, Layer& model);

}  // namespace tapir::nn::detail
