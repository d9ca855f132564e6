// TFRecord framing, as TensorFlow writes it: length, checksum of the length, bytes, checksum of the bytes. Internal to
// io/, data/ and look/.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace tapir::detail {

/// CRC-32C (Castagnoli), of iSCSI, RFC 3720.
std::uint32_t crc32c(std::string_view bytes);
/// The checksum that a record carries: a CRC of bytes that hold CRCs would say little.
std::uint32_t masked_crc32c(std::string_view bytes);
/// `bytes` as one record.
std::string tfrecord(std::string_view bytes);

}  // namespace tapir::detail
