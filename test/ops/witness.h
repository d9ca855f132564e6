// Which rows run: a recorder that only looks on.
#pragma once
#include <tapir/ops/op.h>

#include <algorithm>

/// Adds each row that runs on this thread while it lives to `rows`, once.
struct Witness final : tapir::Recorder {
  std::vector<const tapir::OpDef*>& rows;

  explicit Witness(std::vector<const tapir::OpDef*>& r) : rows(r) {
    intercepts = true;
    previous = std::exchange(tapir::recorder(), static_cast<tapir::Recorder*>(this));
  }
  ~Witness() {
    for (tapir::Recorder** r = &tapir::recorder(); *r; r = &(*r)->previous)
      if (*r == this) {
        *r = previous;
        break;
      }
  }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  bool intercept(const tapir::OpDef& op, tapir::Inputs, tapir::Attrs, const tapir::Specs&, tapir::Tensors&) override {
    if (std::find(rows.begin(), rows.end(), &op) == rows.end()) rows.push_back(&op);
    return false;
  }
  void record(const tapir::OpDef&, tapir::Inputs, std::span<const tapir::Tensor>, tapir::Attrs) override {}
};
