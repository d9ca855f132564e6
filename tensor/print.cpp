// Printing tensors.
#include <tapir/tensor/tensor.h>

#include <ostream>

namespace tapir {

std::string Tensor::str() const {
  if (!defined()) return "undefined";
  std::string s = "[";
  std::vector<double> v(static_cast<std::size_t>(size()));
  if (!v.empty()) read(v.data(), DType::f64);
  for (std::size_t i = 0; i < v.size(); ++i) s += (i ? ", " : "") + std::to_string(v[i]);
  return s + "] " + name_of(dtype()) + shape().str();
}

std::ostream& operator<<(std::ostream& os, const Tensor& t) { return os << t.str(); }

}  // namespace tapir
