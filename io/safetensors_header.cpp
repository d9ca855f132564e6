#include <tapir/io/safetensors_header.h>
#include <tapir/io/values.h>

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace tapir::detail {
namespace {

using nlohmann::json;

constexpr std::uint64_t longest_header = 100'000'000;
constexpr const char* metadata_key = "__metadata__";
constexpr const char* dtype_names[dtype_count] = {"F32", "F64", "F16", "BF16", "I8", "U8", "I16", "I32", "I64", "BOOL"};

// Takes the parser's events one by one and builds no tree, so that a hostile text costs no more memory than its own
// size. Anything but {"name": {"dtype": "F32", "shape": [..], "data_offsets": [a, b]}, "__metadata__": {"key": "text"}}
// is refused as it comes, so nothing nests deeper than that.
class HeaderEvents : public nlohmann::json_sax<json> {
 public:
  HeaderEvents(const FileContext& context, SafetensorsHeader& header) : context_(context), header_(header) {}

  bool start_object(std::size_t) override {
    if (state_ == State::start) return to(State::top);
    if (state_ == State::entry) return to(State::fields);
    if (state_ == State::metadata) return to(State::texts);
    unexpected("an object");
  }
  bool key(std::string& k) override {
    if (state_ == State::top) start_entry(k);
    else if (state_ == State::fields) start_field(k);
    else start_text(k);
    return true;
  }
  bool end_object() override {
    if (state_ == State::top) return to(State::done);
    if (state_ == State::fields && (!have_dtype_ || !have_shape_ || offsets_ != 2))
      bad(fmt::format("{} lacks dtype, shape or data_offsets", subject()));
    return to(State::top);
  }
  bool start_array(std::size_t) override {
    if (state_ == State::shape) return to(State::sizes);
    if (state_ == State::data_offsets) return to(State::offsets);
    unexpected("a list");
  }
  bool end_array() override {
    if (state_ == State::offsets && offsets_ != 2) bad(fmt::format("{} needs two data_offsets", subject()));
    return to(State::fields);
  }
  bool number_unsigned(std::uint64_t v) override {
    if (state_ == State::sizes) add_size(v);
    else if (state_ == State::offsets) add_offset(v);
    else unexpected("a number");
    return true;
  }
  bool string(std::string& s) override {
    if (state_ == State::dtype) set_dtype(s);
    else if (state_ == State::text) header_.metadata.emplace_back(text_key_, s), state_ = State::texts;
    else unexpected("a string");
    return true;
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool number_integer(std::int64_t) override { unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { unexpected("a fraction"); }
  bool binary(json::binary_t&) override { unexpected("binary data"); }
  bool parse_error(std::size_t at, const std::string&, const json::exception&) override {
    bad(fmt::format("it is not JSON at byte {}", at));
  }

 private:
  enum class State {
    start,
    top,
    entry,
    fields,
    dtype,
    shape,
    sizes,
    data_offsets,
    offsets,
    metadata,
    texts,
    text,
    done
  };

  [[noreturn]] void bad(const std::string& why) const {
    context_.fail(fmt::format("has a damaged safetensors header, {}.", why));
  }
  [[noreturn]] void unexpected(const char* what) const {
    bad(header_.entries.empty() ? fmt::format("{} is out of place", what)
                                : fmt::format("{} is out of place after {}", what, subject()));
  }
  bool to(State s) {
    state_ = s;
    return true;
  }
  SafetensorsEntry& entry() { return header_.entries.back(); }
  std::string subject() const { return printable(header_.entries.back().name); }
  // What a hostile file says goes to the user's terminal.
  static std::string printable(std::string s) {
    constexpr std::size_t most = 60;
    if (s.size() > most) s = s.substr(0, most) + "...";
    for (char& c : s)
      if (c < ' ' || c > '~') c = '?';
    return "\"" + s + "\"";
  }

  void start_entry(const std::string& name) {
    if (!names_.insert(name).second) bad(fmt::format("{} is there twice", printable(name)));
    if (name == metadata_key) return void(to(State::metadata));
    header_.entries.push_back({.name = name});
    have_dtype_ = have_shape_ = false;
    offsets_ = 0;
    state_ = State::entry;
  }
  void start_field(const std::string& field) {
    if (field == "dtype" && !have_dtype_) state_ = State::dtype;
    else if (field == "shape" && !have_shape_) state_ = State::shape, have_shape_ = true;
    else if (field == "data_offsets" && offsets_ == 0) state_ = State::data_offsets;
    else bad(fmt::format("{} has an unknown or repeated field {}", subject(), printable(field)));
  }
  void start_text(const std::string& k) {
    if (!text_keys_.insert(k).second) bad(fmt::format("metadata {} is there twice", printable(k)));
    text_key_ = k;
    state_ = State::text;
  }
  void set_dtype(const std::string& name) {
    auto found = std::find(std::begin(dtype_names), std::end(dtype_names), name);
    if (found == std::end(dtype_names))
      context_.fail(fmt::format("tensor {} has dtype {}, which tensors cannot have; the known ones are {}.", subject(),
                                printable(name), fmt::join(dtype_names, " ")));
    entry().dtype = DType(found - std::begin(dtype_names));
    have_dtype_ = true;
    state_ = State::fields;
  }
  void add_size(std::uint64_t v) {
    if (entry().shape.rank() == Shape::max_rank)
      context_.fail(
          fmt::format("tensor {} has more than {} dimensions, which tensors cannot.", subject(), Shape::max_rank));
    if (v > std::uint64_t(INT64_MAX)) bad(fmt::format("{} has a size that is too large, {}", subject(), v));
    entry().shape.push_back(std::int64_t(v));
  }
  void add_offset(std::uint64_t v) {
    if (offsets_ == 2) bad(fmt::format("{} needs two data_offsets", subject()));
    (offsets_++ ? entry().end : entry().begin) = v;
  }

  const FileContext& context_;
  SafetensorsHeader& header_;
  State state_ = State::start;
  std::set<std::string> names_, text_keys_;
  std::string text_key_;
  bool have_dtype_ = false, have_shape_ = false;
  int offsets_ = 0;
};

// The specification: no holes, no overlaps, and the file ends where the last tensor does.
void check_places(const FileContext& context, const SafetensorsHeader& header, std::uint64_t data_size) {
  std::vector<const SafetensorsEntry*> order;
  for (auto& e : header.entries) order.push_back(&e);
  std::sort(order.begin(), order.end(),
            [](auto* a, auto* b) { return a->begin != b->begin ? a->begin < b->begin : a->end < b->end; });
  std::uint64_t at = 0;
  for (auto* e : order) {
    std::string what = fmt::format("tensor \"{}\"", e->name);
    std::uint64_t bytes = checked_bytes(context, e->shape, e->dtype, what);
    if (e->begin > e->end || e->end - e->begin != bytes)
      context.fail(fmt::format("{} of {} {} takes {} bytes, but its data_offsets are [{}, {}].", what,
                               name_of(e->dtype), e->shape.str(), bytes, e->begin, e->end));
    if (e->begin != at)
      context.fail(
          fmt::format("{} begins at byte {} of the data, but the one before it ends at {}.", what, e->begin, at));
    at = e->end;
  }
  if (at > data_size)
    context.fail(fmt::format("ends too early, its tensors take {} bytes but {} are there.", at, data_size));
  if (at < data_size) context.fail(fmt::format("has {} bytes that belong to no tensor.", data_size - at));
}

std::string quoted(const char* op, const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    throw UsageError(fmt::format("{}: a name or metadata text is not UTF-8, {} bytes long.", op, text.size()));
  }
}

}  // namespace

SafetensorsHeader read_safetensors_header(const InputFile& file) {
  const FileContext& context = file.context();
  constexpr std::uint64_t prefix = 8;
  if (file.size() < prefix) context.fail(fmt::format("is not a safetensors file, it has {} bytes only.", file.size()));
  std::uint64_t length;  // little-endian, as every machine that tapir runs on
  file.read_at(0, &length, sizeof length);
  if (length > longest_header)
    context.fail(fmt::format("is not a safetensors file: its header has {} bytes, at most {} are allowed.", length,
                             longest_header));
  if (length > file.size() - prefix)
    context.fail(
        fmt::format("ends too early, its header takes {} bytes but {} are there.", length, file.size() - prefix));
  std::string text(std::size_t(length), '\0');
  file.read_at(prefix, text.data(), text.size());
  if (text.empty() || text[0] != '{') context.fail("is not a safetensors file: its header does not begin with '{'.");
  SafetensorsHeader header;
  header.data_at = prefix + length;
  HeaderEvents events(context, header);
  json::sax_parse(text, &events);
  check_places(context, header, file.size() - header.data_at);
  return header;
}

std::string safetensors_header_text(const char* op, const std::vector<SafetensorsEntry>& entries,
                                    const io::Metadata& metadata) {
  std::vector<std::string> items;
  if (!metadata.empty()) {
    std::vector<std::string> texts;
    for (auto& [key, value] : metadata) texts.push_back(fmt::format("{}:{}", quoted(op, key), quoted(op, value)));
    items.push_back(fmt::format("\"{}\":{{{}}}", metadata_key, fmt::join(texts, ",")));
  }
  for (auto& e : entries)
    items.push_back(fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", quoted(op, e.name),
                                dtype_names[int(e.dtype)], fmt::join(e.shape.dims(), ","), e.begin, e.end));
  std::string text = fmt::format("{{{}}}", fmt::join(items, ","));
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data is aligned
  std::uint64_t length = text.size();
  if (length > longest_header)
    throw UsageError(
        fmt::format("{}: the header would have {} bytes, at most {} are allowed.", op, length, longest_header));
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + text;
}

}  // namespace tapir::detail
