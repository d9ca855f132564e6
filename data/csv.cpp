// Reading goes over the file up to three times: what columns hold, which texts there are, the values. So memory is the
// tensors', and streams keep one batch.
#include <tapir/data/csv.h>
#include <tapir/data/csv_records.h>
#include <tapir/io/output_file.h>
#include <tapir/io/values.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/joining.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>

namespace tapir::data {

using tapir::detail::FileContext;

namespace {

std::string_view trimmed(std::string_view s) {
  const auto first = s.find_first_not_of(" \t");
  if (first == s.npos) return {};
  return s.substr(first, s.find_last_not_of(" \t") - first + 1);
}

// True if all of `s` is one number.
template <class T>
bool parse(std::string_view s, T& out) {
  s = trimmed(s);
  if (s.size() > 1 && s[0] == '+' && s[1] != '-') s.remove_prefix(1);
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  return error == std::errc() && end == s.data() + s.size();
}

// Floats of 32 bits and less are rounded once.
bool parse_float(std::string_view s, DType dtype, double& out) {
  float narrow = 0;
  if (dtype == DType::f64 || !parse(s, narrow)) return parse(s, out);
  out = narrow;
  return true;
}

bool parse_bool(std::string_view s, bool& out) {
  s = trimmed(s);
  out = s == "true" || s == "True" || s == "TRUE";
  return out || s == "false" || s == "False" || s == "FALSE";
}

// What an integer of that dtype can be.
std::pair<std::int64_t, std::int64_t> range_of(DType dtype) {
  if (dtype == DType::boolean) return {0, 1};
  if (dtype == DType::u8) return {0, 255};
  const int bits = 8 * int(size_of(dtype));
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max() >> (64 - bits);
  return {-largest - 1, largest};
}

// A file with its header read: records, and where the chosen columns are in them.
class File {
 public:
  File(const FileContext& context, const CsvOptions& o) : records_(context, o.delimiter) {
    if (!records_.next()) context.fail("is empty, there is no record in it.");
    for (std::size_t i = 0; i < records_.size(); ++i) names_.push_back(o.header ? records_[i] : std::to_string(i));
    pending_ = !o.header;
    std::map<std::string_view, std::size_t> places;
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (auto [at, fresh] = places.emplace(names_[i], i); !fresh)
        records_.fail(fmt::format("columns {} and {} are both named \"{}\".", at->second + 1, i + 1, names_[i]));
    for (auto& column : o.columns) {
      const auto at = places.find(column.name);
      if (at == places.end())
        records_.fail(fmt::format(
            "no column is named \"{}\"; there are {}{}.", column.name,
            fmt::join(names_.begin(), names_.begin() + std::ptrdiff_t(std::min(names_.size(), kNamed)), ", "),
            names_.size() > kNamed ? ", ..." : ""));
      chosen_.push_back(at->second);
    }
  }
  const std::vector<std::string>& names() const { return names_; }

  bool next() {
    if (!std::exchange(pending_, false) && !records_.next()) return false;
    if (records_.size() != names_.size())
      records_.fail(fmt::format("the record has {} fields, but there are {} columns.", records_.size(), names_.size()));
    return true;
  }
  const std::string& field(std::size_t column) const { return records_[chosen_[column]]; }
  [[noreturn]] void fail(std::size_t column, const std::string& rule) const {
    const std::size_t i = chosen_[column];
    records_.fail(fmt::format("column {} (\"{}\"): {}", i + 1, names_[i], rule));
  }

 private:
  CsvRecords records_;
  std::vector<std::string> names_;
  std::vector<std::size_t> chosen_;
  static constexpr std::size_t kNamed = 20;  // in an error
  bool pending_ = false;                     // the first record is a row
};

// What all fields of a column are.
struct Kind {
  bool bools = true, integers = true, floats = true, missing = false, any = false;
  void see(std::string_view field) {
    bool b;
    std::int64_t i;
    double d;
    any = true;
    bools = bools && parse_bool(field, b);
    integers = integers && parse(field, i);
    floats = floats && (integers || parse(field, d));
  }
  // None: texts.
  std::optional<DType> dtype(bool replaced) const {
    const bool gaps = missing && !replaced;
    if (any && bools && !gaps) return DType::boolean;
    if (any && integers && !gaps) return DType::i64;
    if (floats || !any) return DType::f32;
    return {};
  }
};

bool is_known(const CsvColumn& c) { return c.dtype || !c.vocabulary.empty(); }

void check_columns(const char* op, const CsvOptions& o) {
  if (o.delimiter == '"' || o.delimiter == '\n' || o.delimiter == '\r' || o.delimiter == '\0')
    throw UsageError(fmt::format("{}: the delimiter cannot be a quote, a line end or NUL.", op));
  for (auto& c : o.columns) {
    if (c.vocabulary.empty()) continue;
    if (c.dtype == DType::boolean)
      throw UsageError(fmt::format("{}: column \"{}\" has a vocabulary and is bool. Use an integer.", op, c.name));
    if (std::set<std::string_view>(c.vocabulary.begin(), c.vocabulary.end()).size() < c.vocabulary.size())
      throw UsageError(fmt::format("{}: the vocabulary of column \"{}\" has a text twice.", op, c.name));
  }
}

// All columns, if none are named; and what is not said of them, from the file.
void complete(const FileContext& context, CsvOptions& o) {
  if (o.columns.empty()) {
    const File file(context, o);
    for (auto& name : file.names()) o.columns.push_back({.name = name});
  }
  if (std::all_of(o.columns.begin(), o.columns.end(), is_known)) return;
  const std::set<std::string_view> missing(o.missing_texts.begin(), o.missing_texts.end());
  std::vector<Kind> kinds(o.columns.size());
  for (File file(context, o); file.next();)
    for (std::size_t c = 0; c < kinds.size(); ++c) {
      if (is_known(o.columns[c])) continue;
      const std::string& field = file.field(c);
      if (missing.contains(field)) kinds[c].missing = true;
      else kinds[c].see(field);
    }
  std::map<std::size_t, std::set<std::string>> texts;
  for (std::size_t c = 0; c < kinds.size(); ++c) {
    if (is_known(o.columns[c])) continue;
    o.columns[c].dtype = kinds[c].dtype(o.columns[c].missing.has_value());
    if (!o.columns[c].dtype) texts[c];
  }
  if (texts.empty()) return;
  for (File file(context, o); file.next();)
    for (auto& [c, found] : texts)
      if (!missing.contains(file.field(c))) found.insert(file.field(c));
  for (auto& [c, found] : texts) o.columns[c].vocabulary.assign(found.begin(), found.end());
}

// The values of one column, as they come.
class Values {
 public:
  explicit Values(const CsvColumn& c) : column_(c), dtype_(*c.dtype) {
    for (std::size_t i = 0; i < c.vocabulary.size(); ++i) places_.emplace(c.vocabulary[i], std::int64_t(i));
  }
  void add(const File& file, std::size_t c, bool missing) {
    const std::string& field = file.field(c);
    if (missing) add_missing(file, c, field);
    else if (!places_.empty()) add_text(file, c, field);
    else if (is_floating(dtype_)) add_float(file, c, field);
    else add_integer(file, c, field);
  }
  Tensor take() {
    Tensor all = is_floating(dtype_) ? Tensor::from_vector(floats_) : Tensor::from_vector(integers_);
    floats_.clear();
    integers_.clear();
    return all.astype(dtype_);
  }

 private:
  void put(double v) {
    if (is_floating(dtype_)) floats_.push_back(v);
    else integers_.push_back(std::int64_t(v));
  }
  void add_missing(const File& file, std::size_t c, const std::string& field) {
    if (column_.missing) put(*column_.missing);
    else if (!places_.empty() && dtype_ != DType::u8) put(-1);
    else if (is_floating(dtype_)) put(std::numeric_limits<double>::quiet_NaN());
    else file.fail(c, fmt::format("'{}' is missing, which {} cannot say. Give `missing`.", field, name_of(dtype_)));
  }
  void add_text(const File& file, std::size_t c, const std::string& field) {
    const auto at = places_.find(field);
    if (at == places_.end() && !column_.unknown)
      file.fail(c,
                fmt::format("'{:.60}' is not in its vocabulary of {} texts. Give `unknown`.", field, places_.size()));
    put(double(at == places_.end() ? *column_.unknown : at->second));
  }
  void add_float(const File& file, std::size_t c, const std::string& field) {
    double v = 0;
    if (!parse_float(field, dtype_, v)) file.fail(c, fmt::format("'{:.60}' is not {}.", field, name_of(dtype_)));
    floats_.push_back(v);
  }
  void add_integer(const File& file, std::size_t c, const std::string& field) {
    bool b = false;
    std::int64_t v = 0;
    if (dtype_ == DType::boolean && parse_bool(field, b)) v = b;
    else if (!parse(field, v)) file.fail(c, fmt::format("'{:.60}' is not {}.", field, name_of(dtype_)));
    const auto [least, most] = range_of(dtype_);
    if (v < least || v > most) file.fail(c, fmt::format("'{:.60}' is not {}.", field, name_of(dtype_)));
    integers_.push_back(v);
  }

  CsvColumn column_;
  DType dtype_;
  std::map<std::string, std::int64_t> places_;
  std::vector<double> floats_;
  std::vector<std::int64_t> integers_;
};

// All columns of a file: some rows at a time.
class Reader {
 public:
  Reader(const FileContext& context, const CsvOptions& o)
      : file_(context, o), missing_(o.missing_texts.begin(), o.missing_texts.end()) {
    for (auto& c : o.columns) values_.emplace_back(c);
  }
  // Up to `count` rows, -1: all; how many there were.
  std::int64_t read(std::int64_t count) {
    std::int64_t rows = 0;
    for (; rows != count && file_.next(); ++rows)
      for (std::size_t c = 0; c < values_.size(); ++c) values_[c].add(file_, c, missing_.contains(file_.field(c)));
    return rows;
  }
  std::vector<Tensor> take() {
    std::vector<Tensor> out;
    for (auto& v : values_) out.push_back(v.take());
    return out;
  }

 private:
  File file_;
  std::set<std::string> missing_;
  std::vector<Values> values_;
};

Tensor side_by_side(std::vector<Tensor> columns) {
  for (auto& c : columns) c = c.astype(DType::f32);
  return stack(columns, {.axis = 1});
}

// `missing` and `unknown` must be values of the column.
void check_replacements(const char* op, const std::vector<CsvColumn>& columns) {
  for (auto& c : columns) {
    if (is_floating(*c.dtype)) continue;
    const auto [least, most] = range_of(*c.dtype);
    const auto fits = [l = double(least), m = double(most)](double v) {
      return v == std::floor(v) && v >= l && v <= m && std::abs(v) < 0x1p63;
    };
    const std::optional<double> replaced[] = {
        c.missing, c.unknown ? std::optional<double>(double(*c.unknown)) : std::nullopt,
        c.vocabulary.empty() ? std::optional<double>() : double(c.vocabulary.size() - 1)};
    for (auto& v : replaced)
      if (v && !fits(*v))
        throw UsageError(
            fmt::format("{}: column \"{}\" is {}, which cannot be {}.", op, c.name, name_of(*c.dtype), *v));
  }
}

CsvOptions completed(const char* op, const std::string& path, CsvOptions o) {
  check_columns(op, o);
  complete({op, path}, o);
  for (auto& c : o.columns)
    if (!c.dtype) c.dtype = DType::i64;  // of texts
  check_replacements(op, o.columns);
  return o;
}

}  // namespace

Tensor CsvTable::column(const std::string& name, Where where) const { return io::find(columns, name, where); }

Tensor CsvTable::matrix(const std::vector<std::string>& names, Where where) const {
  CallSite site(where);
  if (names.empty()) throw UsageError("matrix: needs the name of at least one column.");
  std::vector<Tensor> parts;
  for (auto& name : names) parts.push_back(io::find(columns, name));
  return side_by_side(std::move(parts));
}

CsvTable read_csv(const std::string& path, const CsvOptions& options, Where where) {
  CallSite site(where);
  const CsvOptions o = completed("read_csv", path, options);
  Reader reader({"read_csv", path}, o);
  reader.read(-1);
  CsvTable table{{}, o.columns};
  const std::vector<Tensor> values = reader.take();
  for (std::size_t c = 0; c < values.size(); ++c) table.columns.emplace_back(o.columns[c].name, values[c]);
  return table;
}

std::vector<CsvColumn> csv_schema(const std::string& path, const CsvOptions& options, Where where) {
  CallSite site(where);
  return completed("csv_schema", path, options).columns;
}

Dataset csv_dataset(const std::string& path, const CsvDatasetOptions& options, Where where) {
  CallSite site(where);
  if (options.batch_size < 1)
    throw UsageError(fmt::format("csv_dataset: batch_size must be at least 1, got {}.", options.batch_size));
  CsvDatasetOptions o = options;
  o.csv = completed("csv_dataset", path, o.csv);
  auto& columns = o.csv.columns;
  std::size_t label = columns.size();
  if (!o.label.empty()) {
    label = std::size_t(std::find_if(columns.begin(), columns.end(), [&](auto& c) { return c.name == o.label; }) -
                        columns.begin());
    if (label == columns.size())
      throw UsageError(fmt::format("csv_dataset: the label \"{}\" is none of the columns that are read.", o.label));
    if (columns.size() == 1) throw UsageError("csv_dataset: there is no column beside the label.");
  }
  return Dataset::from_generator([path, o, label]() -> Callable<std::optional<Element>()> {
    auto reader = std::make_shared<Reader>(FileContext{"csv_dataset", path}, o.csv);
    return [reader, o, label]() -> std::optional<Element> {
      const std::int64_t rows = reader->read(o.batch_size);
      if (rows == 0 || (o.drop_remainder && rows < o.batch_size)) return {};
      std::vector<Tensor> values = reader->take();
      if (label == values.size()) return values;
      const Tensor y = values[label];
      values.erase(values.begin() + std::ptrdiff_t(label));
      return Element{side_by_side(std::move(values)), y};
    };
  });
}

// ---- writing

namespace {

// A column of numbers, or of texts.
struct Written {
  std::string name;
  Tensor values;  // i64 or f64 [rows, k]
  std::int64_t width;
  DType dtype;
  const std::vector<std::string>* vocabulary = nullptr;
};

void write_text(fmt::memory_buffer& out, std::string_view text, char delimiter) {
  // blanks at the ends, which some readers drop; "" for nothing, which alone in its line would be no record
  const bool plain = !text.empty() && text == trimmed(text) && text.find_first_of("\"\r\n") == text.npos &&
                     text.find(delimiter) == text.npos;
  if (plain) return out.append(text);
  out.push_back('"');
  for (char c : text) {
    if (c == '"') out.push_back('"');
    out.push_back(c);
  }
  out.push_back('"');
}

void write_value(fmt::memory_buffer& out, const Written& w, std::int64_t i, char delimiter, bool alone) {
  if (is_floating(w.dtype)) {
    const double v = w.values.data<double>()[i];
    if (std::isnan(v)) return out.append(std::string_view(alone ? "\"\"" : ""));
    const std::string text = w.dtype == DType::f64 ? fmt::format("{}", v) : fmt::format("{}", float(v));
    out.append(text);
    if (text.find_first_not_of("-0123456789") == text.npos)
      out.append(std::string_view(".0"));  // and so read as a float
    return;
  }
  const std::int64_t v = w.values.data<std::int64_t>()[i];
  if (w.dtype == DType::boolean) return out.append(std::string_view(v ? "true" : "false"));
  if (!w.vocabulary) {
    fmt::format_to(fmt::appender(out), "{}", v);
  } else if (v == -1) {
    out.append(std::string_view(alone ? "\"\"" : ""));
  } else {
    if (v < 0 || v >= std::ssize(*w.vocabulary))
      throw UsageError(fmt::format("write_csv: column \"{}\" has {}, but its vocabulary has {} texts.", w.name, v,
                                   w.vocabulary->size()));
    write_text(out, (*w.vocabulary)[std::size_t(v)], delimiter);
  }
}

std::vector<Written> columns_to_write(const io::NamedTensors& columns, const WriteCsvOptions& o) {
  if (columns.empty()) throw UsageError("write_csv: there are no columns.");
  std::vector<Written> out;
  for (auto& [name, x] : columns) {
    const Tensor dense = tapir::detail::dense_on_cpu(x, "write_csv", name);
    if (dense.rank() < 1 || dense.rank() > 2)
      throw ShapeError(
          fmt::format("write_csv: column \"{}\" is {}; [rows] or [rows, k] are written.", name, dense.shape().str()));
    if (dense.shape()[0] != columns[0].second.shape()[0])
      throw ShapeError(
          fmt::format("write_csv: columns have as many rows as each other, got {} of \"{}\" and {} of \"{}\".",
                      columns[0].second.shape().str(), columns[0].first, dense.shape().str(), name));
    const bool floats = is_floating(dense.dtype());
    Written w{name, dense.astype(floats ? DType::f64 : DType::i64), dense.rank() == 1 ? -1 : dense.shape()[1],
              dense.dtype()};
    for (auto& c : o.schema)
      if (c.name == name && !c.vocabulary.empty() && !floats) w.vocabulary = &c.vocabulary;
    out.push_back(std::move(w));
  }
  return out;
}

}  // namespace

void write_csv(const std::string& path, const io::NamedTensors& columns, const WriteCsvOptions& options, Where where) {
  CallSite site(where);
  check_columns("write_csv", {.delimiter = options.delimiter});
  const std::vector<Written> all = columns_to_write(columns, options);
  tapir::detail::OutputFile file({"write_csv", path});
  fmt::memory_buffer out;
  // put(w, k) for each column of the file
  const auto record = [&](auto put) {
    bool first = true;
    for (auto& w : all)
      for (std::int64_t k = 0; k < std::abs(w.width); ++k) {
        if (!std::exchange(first, false)) out.push_back(options.delimiter);
        put(w, k);
      }
    out.push_back('\n');
    if (out.size() < (std::size_t(1) << 16)) return;
    file.write(out.data(), out.size());
    out.clear();
  };
  if (options.header)
    record([&](const Written& w, std::int64_t k) {
      write_text(out, w.width < 0 ? w.name : fmt::format("{}_{}", w.name, k), options.delimiter);
    });
  const bool alone = all.size() == 1 && std::abs(all[0].width) == 1;
  for (std::int64_t i = 0; i < columns[0].second.shape()[0]; ++i)
    record([&](const Written& w, std::int64_t k) {
      write_value(out, w, i * std::abs(w.width) + k, options.delimiter, alone);
    });
  file.write(out.data(), out.size());
  file.commit();
}

}  // namespace tapir::data
