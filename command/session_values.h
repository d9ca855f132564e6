// What the lines of `tapir repl` are made of: how values are shown, and how variables are known from line to line.
#pragma once
#include <iostream>
#include <iterator>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

// Defined by the command, which loads the lines.
extern "C" void tapir_session_keep(int slot, const void* object, std::string_view type);
extern "C" void* tapir_session_object(int slot);

namespace tapir::session {

/// "... [with T = the type as gcc writes it]".
template <class T>
const char* type_text() {
  return __PRETTY_FUNCTION__;
}

/// The type alone.
template <class T>
std::string_view type_name() {
  const std::string_view text = type_text<T>();
  const std::size_t begin = text.find("T = ") + 4;
  return text.substr(begin, text.size() - begin - 1);
}

template <class T>
void keep(int slot, T& object) {
  tapir_session_keep(slot, &object, type_name<T>());
}
template <class T>
T& object(int slot) {
  return *static_cast<T*>(tapir_session_object(slot));
}

template <class T>
concept Streamable = requires(std::ostream& os, const T& v) {
  { os << v } -> std::convertible_to<std::ostream&>;
};
template <class T>
concept Tuple = requires {
  std::tuple_size<T>::value;
};
template <class T>
concept Range = requires(const T& v) {
  std::begin(v);
  std::end(v);
};

template <class T>
void show(std::ostream& os, const T& v);

template <class T>
void show_range(std::ostream& os, const T& v) {
  os << '[';
  int count = 0;
  for (auto&& e : v) {
    if (++count > 100) {
      os << ", ...";
      break;
    }
    os << (count > 1 ? ", " : "");
    show<std::remove_cvref_t<decltype(e)>>(os, e);
  }
  os << ']';
}

template <class T>
void show(std::ostream& os, const T& v) {
  if constexpr (std::is_same_v<T, bool>) os << (v ? "true" : "false");
  else if constexpr (std::is_same_v<T, char>) os << '\'' << v << '\'';
  else if constexpr (std::is_null_pointer_v<T>) os << "nullptr";
  else if constexpr (std::is_convertible_v<const T&, std::string_view>) os << '"' << std::string_view(v) << '"';
  else if constexpr (Streamable<T>) os << v;
  else if constexpr (Range<T>) show_range(os, v);
  else if constexpr (Tuple<T>) {
    os << '(';
    int count = 0;
    std::apply([&](auto&... e) { ((os << (count++ ? ", " : ""), show<std::remove_cvref_t<decltype(e)>>(os, e)), ...); },
               v);
    os << ')';
  } else {
    os << '<' << type_name<T>() << '>';
  }
}

template <class T>
void show_type() {
  std::cout << type_name<std::remove_cvref_t<T>>() << std::endl;
}

/// `expression, Show()` shows the value if there is one: for void, the comma is C++'s own.
struct Show {};
template <class T>
void operator,(const T& v, Show) {
  show(std::cout, v);
  std::cout << std::endl;
}

}  // namespace tapir::session
