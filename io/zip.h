// ZIP archives, as far as .npz files need them: stored and deflated members, zip64, no encryption. Internal to io/.
// Format: PKWARE APPNOTE.TXT 6.3.10.
#pragma once
#include <tapir/io/output_file.h>
#include <tapir/io/source.h>

#include <memory>
#include <vector>

namespace tapir::detail {

struct ZipMember {
  std::string name;
  std::uint64_t header_at = 0;  // of the local header
  std::uint64_t data_at = 0;    // of the member's bytes
  std::uint64_t compressed = 0, size = 0;
  std::uint32_t crc = 0;
  std::uint16_t method = 0;
};

/// The list of members, in the order of the central directory. Every member lies inside the file and shares no byte
/// with another; names are unique. Throws FileError otherwise.
std::vector<ZipMember> read_zip_directory(const InputFile& file);

/// The bytes of a member; throws FileError at their end if the checksum does not fit.
std::unique_ptr<ByteSource> open_zip_member(const InputFile& file, const ZipMember& member);

/// Writes an archive member by member.
class ZipWriter {
 public:
  struct Part {
    const void* data;
    std::size_t size;
  };
  /// Sizes and places from `zip64_from` on are written in zip64 form; a test may ask for less than the format does.
  explicit ZipWriter(OutputFile& file, std::uint64_t zip64_from = 0xffffffff);
  /// A member made of `parts`, one after the other.
  void add(const std::string& name, const std::vector<Part>& parts, bool compress);
  /// Writes the central directory. The last call.
  void finish();

 private:
  void deflate_parts(const std::vector<Part>& parts);
  std::string end_records(std::uint64_t directory_at, std::uint64_t directory_size) const;
  OutputFile& file_;
  std::uint64_t zip64_from_;
  std::vector<ZipMember> members_;
};

}  // namespace tapir::detail
