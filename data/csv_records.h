// The records of a CSV file, one after the other, each a list of texts. Internal to data/.
#pragma once
#include <tapir/io/source.h>

#include <optional>
#include <string>
#include <vector>

namespace tapir::data {

/// What is in memory is one record, and some text of the file around it.
class CsvRecords {
 public:
  /// Opens the file, plain or gzipped.
  CsvRecords(const tapir::detail::FileContext& context, char delimiter);
  /// Goes to the next record that is not an empty line; false at the end.
  bool next();
  std::size_t size() const { return count_; }
  const std::string& operator[](std::size_t field) const { return fields_[field]; }
  /// Throws FileError "op: path: line 7: rule".
  [[noreturn]] void fail(const std::string& rule) const { fail_at(record_line_, rule); }

 private:
  [[noreturn]] void fail_at(std::int64_t line, const std::string& rule) const;
  bool fill();
  int get() { return at_ < end_ || fill() ? static_cast<unsigned char>(buffer_[at_++]) : -1; }
  int peek() { return at_ < end_ || fill() ? static_cast<unsigned char>(buffer_[at_]) : -1; }
  void append(std::string& field, int c);
  void read_quoted(std::string& field);
  bool read_record();

  tapir::detail::InputFile file_;
  tapir::detail::FileSource plain_;
  std::optional<tapir::detail::InflateSource> expanded_;
  char delimiter_;
  std::string buffer_;
  std::size_t at_ = 0, end_ = 0;
  std::int64_t line_ = 1, record_line_ = 1;
  std::size_t length_ = 0;           // of the record
  std::vector<std::string> fields_;  // of which the first `count_` are the record's
  std::size_t count_ = 0;
};

}  // namespace tapir::data
