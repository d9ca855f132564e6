// What a program does besides computing: printing and checking. In function() both happen on every call, in the order
// of the program among themselves, random draws and the bodies of control flow.
#pragma once
#include <tapir/ops/operand.h>

#include <string>

namespace tapir {

/// Writes `x` to std::cout as NumPy would show it, after `label: ` if there is one, and a new line. Gradients do not
/// print again.
void print(const Tensor& x, const std::string& label = "", Where where = Where::current());

/// Throws UsageError `check: message (2 of 6 are false, the first at [0, 1]).` unless every element of `condition` is
/// true; in function() on the call that meets it, with the line of the check. Throws DTypeError unless `condition` is
/// bool. Assignments to variables happen at the end of a call of function(): a check that fails leaves them undone.
void check(const Operand& condition, const std::string& message);

}  // namespace tapir
