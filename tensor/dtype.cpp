#include <tapir/tensor/dtype.h>

#include <ostream>

namespace tapir {

const char* name_of(DType d) {
  constexpr const char* names[dtype_count] = {"f32", "f64", "f16", "bf16", "i8", "u8", "i16", "i32", "i64", "bool"};
  return names[int(d)];
}

std::ostream& operator<<(std::ostream& os, DType d) { return os << name_of(d); }

bool promote(DType a, DType b, DType& out) {
  if (a == b) return out = a, true;
  if (is_floating(a) && is_floating(b)) {
    if (a == DType::f64 || b == DType::f64) out = DType::f64;
    else out = DType::f32;  // f32 with a half, or the two halves together
    return true;
  }
  if (!is_integer(a) || !is_integer(b)) return false;
  if (a == DType::u8 || b == DType::u8) {
    DType other = a == DType::u8 ? b : a;
    out = other == DType::i8 ? DType::i16 : other;
  } else {
    out = size_of(a) > size_of(b) ? a : b;
  }
  return true;
}

}  // namespace tapir
