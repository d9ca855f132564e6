// The cases of the op table test: what to run, at which f64 inputs, and what to expect of it.
#pragma once
#include <tapir/tapir.h>

/// What the table test may ask of a case.
struct Expect {
  bool differentiable = true;
  int order = 2;            ///< of derivatives to check
  bool halves = true;       ///< does it take f16 and bf16?
  bool batched = true;      ///< does an empty first dimension of input 0 give an empty result?
  bool pure = true;         ///< the same on every call? Variables made inside a trace live on
  double tolerance = 2e-6;  ///< of f32 against f64, relative to the largest value
};

struct OpCase {
  const char* name;
  std::vector<tapir::Tensor> (*inputs)();
  tapir::Tensor (*run)(const std::vector<tapir::Tensor>& x);
  Expect expect = {};
};

const std::vector<OpCase>& op_cases();
