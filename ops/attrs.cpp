#include <tapir/ops/attrs.h>

#include <fmt/format.h>

namespace tapir {
namespace {

struct Printer final : AttrVisitor {
  std::string text;
  void put(const char* name, const std::string& value) {
    text += text.empty() ? "" : ", ";
    text += name;
    text += "=" + value;
  }
  void operator()(const char* name, std::int64_t& v) override { put(name, fmt::format("{}", v)); }
  void operator()(const char* name, double& v) override { put(name, fmt::format("{}", v)); }
  void operator()(const char* name, bool& v) override { put(name, v ? "true" : "false"); }
  void operator()(const char* name, Shape& v) override { put(name, v.str()); }
  void operator()(const char* name, DType& v) override { put(name, name_of(v)); }
};

}  // namespace

std::string Attrs::str() const {
  if (!data_) return "";
  Printer p;
  type_->visit(const_cast<void*>(data_), p);  // a Printer leaves the fields alone
  return p.text;
}

bool operator==(const Attrs& a, const Attrs& b) {
  if (a.type_ != b.type_) return false;
  return !a.data_ || a.data_ == b.data_ || a.str() == b.str();
}

}  // namespace tapir
