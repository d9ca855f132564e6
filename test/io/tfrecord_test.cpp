// Records and protocol buffers byte by byte.
#include <tapir/io/protobuf.h>
#include <tapir/io/tfrecord.h>
#include <tapir/test/io/files.h>

using namespace tapir;
using namespace tapir::detail;

namespace {

std::string hex(const std::string& bytes) {
  std::string out;
  for (unsigned char b : bytes) out += "0123456789abcdef"[b >> 4], out += "0123456789abcdef"[b & 15];
  return out;
}

}  // namespace

TEST_CASE("CRC-32C of RFC 3720, section B.4, and of the catalogue of CRCs") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62A8AB43);
  std::string up;
  for (int i = 0; i < 32; ++i) up += char(i);
  CHECK(crc32c(up) == 0x46DD794E);
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c("") == 0);
}

TEST_CASE("records as TensorFlow writes them") {
  // python -c 'import tensorflow as tf; w = tf.io.TFRecordWriter("r"); w.write(b"tapir"); w.write(b""); w.close()'
  CHECK(hex(tfrecord("tapir")) ==
        "0500000000000000"
        "eab2043e"
        "7461706972"
        "19c9a138");
  CHECK(hex(tfrecord("")) ==
        "0000000000000000"
        "29039807"
        "d8ea82a2");
}

TEST_CASE("fields of a protocol buffer, examples of its encoding guide") {
  CHECK(hex(Proto().integer(1, 150).bytes()) == "089601");
  CHECK(hex(Proto().text(2, "testing").bytes()) == "120774657374696e67");
  CHECK(hex(Proto().message(3, Proto().integer(1, 150)).bytes()) == "1a03089601");
  CHECK(hex(Proto().integer(1, -2).bytes()) == "08feffffffffffffffff01");
  CHECK(hex(Proto().number(1, 1.0).number(2, 1.0f).bytes()) ==
        "09000000000000f03f"
        "150000803f");
  CHECK(hex(Proto().integer(16, 0).bytes()) == "800100");
  const double numbers[] = {1, 2};
  CHECK(hex(Proto().numbers(6, numbers).bytes()) ==
        "3210"
        "000000000000f03f"
        "0000000000000040");
}
