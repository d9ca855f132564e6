// What is thrown.
#pragma once
#include <tapir/tensor/error.h>

#include <string>

/// All that the error says which f throws; E is what it must be.
template <class E = tapir::Error, class F>
std::string thrown(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "nothing was thrown";
}

/// The same without the file and line in front.
template <class E = tapir::Error, class F>
std::string message(F&& f) {
  const std::string all = thrown<E>(f);
  const auto at = all.find(": ");
  return at == std::string::npos ? all : all.substr(at + 2);
}
