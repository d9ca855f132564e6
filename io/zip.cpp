#include <tapir/io/zip.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

namespace tapir::detail {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50, central_signature = 0x02014b50, end_signature = 0x06054b50,
                        end64_signature = 0x06064b50, locator64_signature = 0x07064b50;
constexpr std::size_t local_size = 30, central_size = 46, end_size = 22, end64_size = 56, locator64_size = 20;
constexpr std::uint16_t stored = 0, deflated = 8, zip64_extra = 1;
constexpr std::uint16_t flag_encrypted = 1, flag_utf8 = 1 << 11;
constexpr std::uint32_t full32 = 0xffffffff;
constexpr std::uint16_t full16 = 0xffff;

// Little-endian fields of a record that is wholly in memory.
std::uint64_t field(const std::string& record, std::size_t at, int bytes) {
  std::uint64_t v = 0;
  for (int i = 0; i < bytes; ++i)
    v |= std::uint64_t(static_cast<unsigned char>(record[at + std::size_t(i)])) << (8 * i);
  return v;
}

void put(std::string& out, std::uint64_t v, int bytes) {
  for (int i = 0; i < bytes; ++i) out += char(v >> (8 * i));
}

std::string read_record(const InputFile& file, std::uint64_t at, std::size_t n) {
  std::string record(n, '\0');
  file.read_at(at, record.data(), n);
  return record;
}

struct Directory {
  std::uint64_t at = 0, size = 0, count = 0;
};

[[noreturn]] void bad_directory(const InputFile& file) {
  file.context().fail("has a damaged list of members, it does not fit the file.");
}

// The end record is the last thing in the file, but for a comment of up to 65535 bytes.
std::uint64_t find_end_record(const InputFile& file) {
  std::uint64_t n = std::min<std::uint64_t>(file.size(), end_size + full16);
  if (n >= end_size) {
    std::string tail = read_record(file, file.size() - n, std::size_t(n));
    for (std::size_t at = std::size_t(n) - end_size + 1; at-- > 0;)
      if (field(tail, at, 4) == end_signature && at + end_size + field(tail, at + 20, 2) == n)
        return file.size() - n + at;
  }
  file.context().fail("is not a ZIP archive, or its end is missing.");
}

Directory find_directory(const InputFile& file) {
  std::uint64_t end_at = find_end_record(file), directory_end = end_at;
  std::string end = read_record(file, end_at, end_size);
  Directory d{.at = field(end, 16, 4), .size = field(end, 12, 4), .count = field(end, 10, 2)};
  std::uint64_t count_here = field(end, 8, 2);
  if (end_at >= locator64_size) {
    std::string locator = read_record(file, end_at - locator64_size, locator64_size);
    if (field(locator, 0, 4) == locator64_signature) {
      std::uint64_t end64_at = field(locator, 8, 8);
      if (end64_at > end_at - locator64_size || end_at - locator64_size - end64_at < end64_size) bad_directory(file);
      std::string end64 = read_record(file, end64_at, end64_size);
      if (field(end64, 0, 4) != end64_signature) bad_directory(file);
      d = {.at = field(end64, 48, 8), .size = field(end64, 40, 8), .count = field(end64, 32, 8)};
      count_here = field(end64, 24, 8);
      directory_end = end64_at;
    }
  }
  if (count_here != d.count) file.context().fail("is a part of a divided ZIP archive, which is not supported.");
  if (d.size > directory_end || d.at != directory_end - d.size || d.count > d.size / central_size) bad_directory(file);
  return d;
}

// Sizes and places that do not fit 32 bits stand in an extra field, in this order, those that need it only.
void read_zip64_extra(const InputFile& file, const std::string& extra, ZipMember& m) {
  std::uint64_t* wanted[] = {&m.size, &m.compressed, &m.header_at};
  bool any = std::any_of(std::begin(wanted), std::end(wanted), [](auto* v) { return *v == full32; });
  for (std::size_t at = 0; any && at + 4 <= extra.size();) {
    std::size_t length = std::size_t(field(extra, at + 2, 2)), begin = at + 4;
    if (length > extra.size() - begin) bad_directory(file);
    if (field(extra, at, 2) == zip64_extra) {
      std::size_t p = begin;
      for (auto* v : wanted) {
        if (*v != full32) continue;
        if (p + 8 > begin + length) bad_directory(file);
        *v = field(extra, p, 8);
        p += 8;
      }
      return;
    }
    at = begin + length;
  }
}

// The local header repeats the name and says where the bytes begin.
void locate_data(const InputFile& file, std::uint64_t directory_at, ZipMember& m) {
  auto damaged = [&] { file.context().fail(fmt::format("member {} lies outside of the file or is damaged.", m.name)); };
  if (directory_at < local_size || m.header_at > directory_at - local_size) damaged();
  std::string local = read_record(file, m.header_at, local_size);
  std::uint64_t name_size = field(local, 26, 2), extra_size = field(local, 28, 2);
  m.data_at = m.header_at + local_size + name_size + extra_size;
  if (field(local, 0, 4) != local_signature || m.data_at > directory_at || m.compressed > directory_at - m.data_at)
    damaged();
  if (read_record(file, m.header_at + local_size, std::size_t(name_size)) != m.name || field(local, 8, 2) != m.method)
    damaged();
  if (m.method == stored && m.compressed != m.size) damaged();
}

ZipMember read_member(const InputFile& file, const Directory& d, const std::string& records, std::size_t& at) {
  if (records.size() - at < central_size || field(records, at, 4) != central_signature) bad_directory(file);
  std::size_t name_size = std::size_t(field(records, at + 28, 2)), extra_size = std::size_t(field(records, at + 30, 2)),
              comment_size = std::size_t(field(records, at + 32, 2));
  std::size_t record_size = central_size + name_size + extra_size + comment_size;
  if (records.size() - at < record_size) bad_directory(file);
  ZipMember m;
  m.name = records.substr(at + central_size, name_size);
  m.method = std::uint16_t(field(records, at + 10, 2));
  m.crc = std::uint32_t(field(records, at + 16, 4));
  m.compressed = field(records, at + 20, 4);
  m.size = field(records, at + 24, 4);
  m.header_at = field(records, at + 42, 4);
  if (field(records, at + 8, 2) & flag_encrypted)
    file.context().fail(fmt::format("member {} is encrypted, which is not supported.", m.name));
  if (m.method != stored && m.method != deflated)
    file.context().fail(
        fmt::format("member {} is compressed by method {}; only stored (0) and deflated (8) ones are "
                    "supported.",
                    m.name, m.method));
  read_zip64_extra(file, records.substr(at + central_size + name_size, extra_size), m);
  locate_data(file, d.at, m);
  at += record_size;
  return m;
}

// Members that share bytes would let a small file expand without bound, and one name must mean one thing.
void refuse_overlaps(const InputFile& file, const std::vector<ZipMember>& members) {
  std::vector<const ZipMember*> order;
  for (auto& m : members) order.push_back(&m);
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->header_at < b->header_at; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->data_at + order[i - 1]->compressed > order[i]->header_at)
      file.context().fail(fmt::format("members {} and {} overlap.", order[i - 1]->name, order[i]->name));
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->name < b->name; });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->name == order[i]->name) file.context().fail(fmt::format("has two members {}.", order[i]->name));
}

class MemberSource : public ByteSource {
 public:
  MemberSource(const InputFile& file, const ZipMember& m, FileContext context)
      : ByteSource(context), bytes_(file, m.data_at, m.data_at + m.compressed, context), size_(m.size), crc_(m.crc) {
    if (m.method == deflated) inflate_ = std::make_unique<InflateSource>(bytes_, Deflate::raw);
    ByteSource& in = source();
    if (size_ > in.left()) context.fail(fmt::format("cannot expand to {} bytes from {}.", size_, m.compressed));
  }
  std::size_t read_some(void* out, std::size_t n) override {
    n = std::size_t(std::min<std::uint64_t>(n, left()));
    std::size_t got = n ? source().read_some(out, n) : 0;
    if (n && got == 0) context().fail(fmt::format("ends too early, {} bytes of {} are there.", given_, size_));
    given_ += got;
    running_ = std::uint32_t(crc32_z(running_, static_cast<const unsigned char*>(out), got));
    if (given_ == size_ && !checked_) check();
    return got;
  }
  std::uint64_t left() const override { return size_ - given_; }

 private:
  ByteSource& source() { return inflate_ ? static_cast<ByteSource&>(*inflate_) : bytes_; }
  void check() {
    checked_ = true;
    source().expect_end();
    if (running_ != crc_)
      context().fail(fmt::format("is damaged, its checksum is {:08x} and not {:08x}.", running_, crc_));
  }
  FileSource bytes_;
  std::unique_ptr<InflateSource> inflate_;
  std::uint64_t size_, given_ = 0;
  std::uint32_t crc_, running_ = 0;
  bool checked_ = false;
};

}  // namespace

std::vector<ZipMember> read_zip_directory(const InputFile& file) {
  Directory d = find_directory(file);
  std::string records = read_record(file, d.at, std::size_t(d.size));
  std::vector<ZipMember> members;
  std::size_t at = 0;
  for (std::uint64_t i = 0; i < d.count; ++i) members.push_back(read_member(file, d, records, at));
  if (at != records.size()) bad_directory(file);
  refuse_overlaps(file, members);
  return members;
}

std::unique_ptr<ByteSource> open_zip_member(const InputFile& file, const ZipMember& m) {
  FileContext context = file.context();
  context.path += ": " + m.name;
  return std::make_unique<MemberSource>(file, m, std::move(context));
}

ZipWriter::ZipWriter(OutputFile& file, std::uint64_t zip64_from) : file_(file), zip64_from_(zip64_from) {}

static std::uint16_t flags_of(const std::string& name) {
  return std::any_of(name.begin(), name.end(), [](char c) { return c & 0x80; }) ? flag_utf8 : 0;
}

// What local and central headers have in common, from "version needed" to the length of the name.
static std::string common_fields(const ZipMember& m, bool zip64) {
  constexpr std::uint16_t first_date = 1 << 5 | 1;  // 1980-01-01, so that equal tensors make equal files
  std::string h;
  put(h, zip64 ? 45 : 20, 2);
  put(h, flags_of(m.name), 2);
  put(h, m.method, 2);
  put(h, 0, 2);
  put(h, first_date, 2);
  put(h, m.crc, 4);
  put(h, zip64 ? full32 : m.compressed, 4);
  put(h, zip64 ? full32 : m.size, 4);
  put(h, m.name.size(), 2);
  return h;
}

static std::string sizes_extra(const ZipMember& m, bool with_place) {
  std::string extra;
  put(extra, zip64_extra, 2);
  put(extra, with_place ? 24 : 16, 2);
  put(extra, m.size, 8);
  put(extra, m.compressed, 8);
  if (with_place) put(extra, m.header_at, 8);
  return extra;
}

static std::string local_header(const ZipMember& m, bool zip64) {
  std::string extra = zip64 ? sizes_extra(m, false) : "", h;
  put(h, local_signature, 4);
  h += common_fields(m, zip64);
  put(h, extra.size(), 2);
  return h + m.name + extra;
}

static std::string central_header(const ZipMember& m, bool zip64) {
  std::string extra = zip64 ? sizes_extra(m, true) : "", h;
  put(h, central_signature, 4);
  put(h, 3 << 8 | 45, 2);  // made by: Unix, version 4.5
  h += common_fields(m, zip64);
  put(h, extra.size(), 2);
  put(h, 0, 2);               // comment
  put(h, 0, 2);               // disk
  put(h, 0, 2);               // internal attributes
  put(h, 0100644u << 16, 4);  // external attributes: a plain file
  put(h, zip64 ? full32 : m.header_at, 4);
  return h + m.name + extra;
}

void ZipWriter::deflate_parts(const std::vector<Part>& parts) {
  z_stream z{};
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw OutOfMemoryError(file_.context().op + ": zlib could not start.");
  struct Ender {
    z_stream& z;
    ~Ender() { deflateEnd(&z); }
  } ender{z};
  std::vector<unsigned char> out(1 << 18);
  auto pump = [&](const unsigned char* in, uInt n, int flush) {
    z.next_in = const_cast<unsigned char*>(in);
    z.avail_in = n;
    do {
      z.next_out = out.data();
      z.avail_out = uInt(out.size());
      deflate(&z, flush);
      file_.write(out.data(), out.size() - z.avail_out);
    } while (z.avail_out == 0);
  };
  for (auto& part : parts)
    for (std::size_t at = 0; at < part.size;) {
      std::size_t n = std::min<std::size_t>(part.size - at, 1 << 30);
      pump(static_cast<const unsigned char*>(part.data) + at, uInt(n), Z_NO_FLUSH);
      at += n;
    }
  pump(nullptr, 0, Z_FINISH);
}

void ZipWriter::add(const std::string& name, const std::vector<Part>& parts, bool compress) {
  ZipMember m;
  m.name = name;
  m.header_at = file_.size();
  m.method = compress ? deflated : stored;
  for (auto& part : parts) {
    m.size += part.size;
    m.crc = std::uint32_t(crc32_z(m.crc, static_cast<const unsigned char*>(part.data), part.size));
  }
  m.compressed = m.size;
  // Deflate may make a member a little larger; the form is chosen before that is known.
  bool zip64 = m.size + m.size / 1000 + 1024 >= zip64_from_;
  file_.write(local_header(m, zip64));
  m.data_at = file_.size();
  if (compress) {
    deflate_parts(parts);
    m.compressed = file_.size() - m.data_at;
    file_.patch(m.header_at, local_header(m, zip64));
  } else {
    for (auto& part : parts) file_.write(part.data, part.size);
  }
  members_.push_back(std::move(m));
}

std::string ZipWriter::end_records(std::uint64_t directory_at, std::uint64_t directory_size) const {
  std::uint64_t count = members_.size();
  bool zip64 = count >= full16 || directory_at >= zip64_from_ || directory_size >= zip64_from_;
  std::string h;
  if (zip64) {
    put(h, end64_signature, 4);
    put(h, end64_size - 12, 8);
    put(h, 3 << 8 | 45, 2);
    put(h, 45, 2);
    put(h, 0, 8);  // this disk, the directory's disk
    put(h, count, 8);
    put(h, count, 8);
    put(h, directory_size, 8);
    put(h, directory_at, 8);
    put(h, locator64_signature, 4);
    put(h, 0, 4);
    put(h, directory_at + directory_size, 8);
    put(h, 1, 4);
  }
  put(h, end_signature, 4);
  put(h, 0, 4);
  put(h, zip64 ? full16 : count, 2);
  put(h, zip64 ? full16 : count, 2);
  put(h, zip64 ? full32 : directory_size, 4);
  put(h, zip64 ? full32 : directory_at, 4);
  put(h, 0, 2);
  return h;
}

void ZipWriter::finish() {
  std::uint64_t directory_at = file_.size();
  for (auto& m : members_) {
    bool zip64 = std::max({m.size, m.compressed, m.header_at}) >= zip64_from_;
    file_.write(central_header(m, zip64));
  }
  file_.write(end_records(directory_at, file_.size() - directory_at));
}

}  // namespace tapir::detail
