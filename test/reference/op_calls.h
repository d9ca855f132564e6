// One call of each public function, for the op reference.
#pragma once
#include <tapir/tapir.h>

/// What the calls are made with: small tensors of one dtype, and a few that always have the same.
struct Operands {
  tapir::DType dtype;
  tapir::Tensor x, y;                       // [2, 3]
  tapir::Tensor v;                          // [3]
  tapir::Tensor m;                          // [3, 4]
  tapir::Tensor logits;                     // [2, 3]
  tapir::Tensor numbers;                    // [3]: 0, 1, 2
  tapir::Tensor image, image4;              // [1, 4, 4, 2], [1, 4, 4, 4]
  tapir::Tensor sequence, volume;           // [1, 6, 2], [1, 3, 3, 3, 2]
  tapir::Tensor kernel1, kernel2, kernel3;  // [3, 2, 4], [3, 3, 2, 4], [2, 2, 2, 2, 4]
  tapir::Tensor back1, back2, back3;        // the same with results before inputs
  tapir::Tensor depthwise, pointwise;       // [3, 3, 2, 1], [1, 1, 2, 4]
  tapir::Tensor scale, offset;              // [2]
  tapir::Tensor i, mask, labels;            // i32 [2], bool [2, 3], i64 [2]

  explicit Operands(tapir::DType dtype);
  std::vector<std::pair<const char*, tapir::Tensor>> named() const;
  std::vector<tapir::Tensor> all() const;
};

struct OpCall {
  const char* name;  ///< without `tapir::`
  const char* text;
  std::vector<tapir::Tensor> (*run)(const Operands&);
};

const std::vector<OpCall>& op_calls();
