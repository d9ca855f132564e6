// Values by name, in the order in which they came.
#pragma once
#include <tapir/tensor/error.h>

#include <string>
#include <utility>
#include <vector>

namespace tapir {

namespace detail {
/// Throws UsageError.
[[noreturn]] void no_such_value(const std::string& name, const std::vector<std::string>& known);
}  // namespace detail

/// A short list that is looked up by name.
template <class T>
class NamedValues {
 public:
  /// Throws UsageError for a name that is not there.
  const T& operator[](const std::string& name) const& {
    for (auto& [n, v] : values_)
      if (n == name) return v;
    std::vector<std::string> known;
    for (auto& [n, v] : values_) known.push_back(n);
    detail::no_such_value(name, known);
  }
  T operator[](const std::string& name) && { return std::as_const(*this)[name]; }  // outlives the results
  T& at_or_new(const std::string& name) {
    for (auto& [n, v] : values_)
      if (n == name) return v;
    return values_.emplace_back(name, T()).second;
  }
  bool contains(const std::string& name) const {
    for (auto& [n, v] : values_)
      if (n == name) return true;
    return false;
  }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<std::pair<std::string, T>> values_;
};

}  // namespace tapir
