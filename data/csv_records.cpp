#include <tapir/data/csv_records.h>

#include <fmt/format.h>

namespace tapir::data {

// A few bytes of gzip can expand to a record that no memory holds.
constexpr std::size_t kLongestRecord = std::size_t(1) << 26, kMostFields = std::size_t(1) << 16;

CsvRecords::CsvRecords(const tapir::detail::FileContext& context, char delimiter)
    : file_(context), plain_(file_), delimiter_(delimiter), buffer_(std::size_t(1) << 16, '\0') {
  unsigned char magic[2] = {};
  if (file_.size() >= 2) file_.read_at(0, magic, 2);
  if (magic[0] == 0x1f && magic[1] == 0x8b) expanded_.emplace(plain_, tapir::detail::Deflate::gzip);
  if (fill() && end_ >= 3 && buffer_.compare(0, 3, "\xef\xbb\xbf") == 0) at_ = 3;  // a byte order mark
}

void CsvRecords::fail_at(std::int64_t line, const std::string& rule) const {
  file_.context().fail(fmt::format("line {}: {}", line, rule));
}

bool CsvRecords::fill() {
  tapir::detail::ByteSource& source = expanded_ ? static_cast<tapir::detail::ByteSource&>(*expanded_) : plain_;
  at_ = 0;
  end_ = source.read_some(buffer_.data(), buffer_.size());
  return end_ > 0;
}

void CsvRecords::append(std::string& field, int c) {
  if (++length_ > kLongestRecord) fail(fmt::format("the record is longer than {} bytes.", kLongestRecord));
  field += char(c);
}

// Up to the closing quote. A doubled one stands for one.
void CsvRecords::read_quoted(std::string& field) {
  const std::int64_t opened = line_;
  get();
  for (;;) {
    const int c = get();
    if (c < 0) fail_at(opened, "a quote is opened and never closed.");
    if (c == '"') {
      if (peek() != '"') return;
      get();
    }
    if (c == '\n') ++line_;
    append(field, c);
  }
}

// True unless it is an empty line.
bool CsvRecords::read_record() {
  count_ = length_ = 0;
  for (;;) {
    if (count_ == kMostFields) fail(fmt::format("the record has more than {} fields.", kMostFields));
    if (count_ == fields_.size()) fields_.emplace_back();
    std::string& field = fields_[count_++];
    field.clear();
    const bool quoted = peek() == '"';
    if (quoted) read_quoted(field);
    int c = get();
    for (; c >= 0 && c != static_cast<unsigned char>(delimiter_) && c != '\n' && c != '\r'; c = get()) {
      if (quoted) fail_at(line_, fmt::format("column {} goes on after its closing quote.", count_));
      append(field, c);
    }
    if (c == static_cast<unsigned char>(delimiter_)) continue;
    if (c == '\r' && peek() == '\n') get();
    if (c >= 0) ++line_;
    return count_ > 1 || quoted || !field.empty();
  }
}

bool CsvRecords::next() {
  while (peek() >= 0) {
    record_line_ = line_;
    if (read_record()) return true;
  }
  return false;
}

}  // namespace tapir::data
