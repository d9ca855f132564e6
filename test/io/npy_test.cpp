// .npy: what NumPy wrote, what we write, and what is refused.
#include <tapir/test/io/files.h>

#include <tapir/io/npy.h>
#include <tapir/ops/shaping.h>

using namespace files;

static auto load = [](const std::string& path) { return io::load_npy(path); };

static std::string refusal(const std::string& name) {
  std::string path = fixture(name), what = error_of<FileError>([&] { io::load_npy(path); });
  std::string start = "load_npy: " + path + ": ";
  REQUIRE_MESSAGE(what.starts_with(start), what);
  return what.substr(start.size());
}

// A version 1 file with this header text, unpadded, and these data bytes.
static std::string refusal_of_header(const std::string& text, const std::string& data = "") {
  TempFolder folder;
  std::string path = folder / "x.npy", length{char(text.size() & 0xff), char(text.size() >> 8)};
  write_bytes(path, std::string("\x93NUMPY\x01\x00", 8) + length + text + data);
  std::string what = error_of<FileError>([&] { io::load_npy(path); }), start = "load_npy: " + path + ": ";
  return what.starts_with(start) ? what.substr(start.size()) : what;
}

TEST_CASE("files of numpy are read, and written back byte for byte") {
  TempFolder folder;
  CHECK(same(io::load_npy(fixture("f4.npy")),
             Tensor::from_vector<float>({-0.75f, -0.5f, -0.25f, 0, 0.25f, 0.5f}, {2, 3})));
  CHECK(same(io::load_npy(fixture("scalar.npy")), Tensor::from_vector<float>({2.5f}, Shape{})));
  CHECK(io::load_npy(fixture("empty.npy")).shape() == Shape{0, 3});
  CHECK(same(io::load_npy(fixture("b1.npy")),
             Tensor::from_vector<bool>({false, true, false, true, false, true}, {2, 3})));
  CHECK(io::load_npy(fixture("bf16.npy")).dtype() == DType::bf16);
  for (auto name : {"f4.npy", "bf16.npy", "b1.npy", "scalar.npy", "empty.npy", "rank1.npy"}) {
    CAPTURE(name);
    io::save_npy(folder / name, io::load_npy(fixture(name)));
    CHECK(bytes_of(folder / name) == bytes_of(fixture(name)));
  }
}

TEST_CASE("Fortran order and versions 2 and 3") {
  Tensor fortran = io::load_npy(fixture("fortran.npy"));
  CHECK(fortran.shape() == Shape{2, 3, 4});
  CHECK(fortran.is_contiguous());
  auto values = fortran.to_vector<float>();
  for (int i = 0; i < 24; ++i) CHECK(values[std::size_t(i)] == float(i));
  Tensor expected = Tensor::from_vector<std::int32_t>({-3000000, -2000000, -1000000, 0, 1000000, 2000000}, {2, 3});
  CHECK(same(io::load_npy(fixture("version2.npy")), expected));
  CHECK(same(io::load_npy(fixture("version3.npy")), expected));
}

TEST_CASE("every dtype and shape comes back as it was") {
  TempFolder folder;
  for (DType dtype : all_dtypes)
    for (auto& shape : {Shape{}, Shape{1}, Shape{5}, Shape{0}, Shape{3, 4}, Shape{2, 0, 3}, Shape{2, 3, 4, 5},
                        Shape{1, 2, 1, 2, 1, 2, 1, 3}, Shape{100000}}) {
      Tensor x = sample(dtype, shape);
      io::save_npy(folder / "x.npy", x);
      CHECK(same(io::load_npy(folder / "x.npy"), x));
    }
  CHECK(folder.count() == 1);
}

TEST_CASE("views are written as the values that they show") {
  TempFolder folder;
  Tensor x = sample(DType::f32, {3, 40});
  for (auto& view : {x.view_as({40, 3}, {1, 40}), x.view_as({2, 10}, {40, 3}, 5), x.view_as({4, 7}, {0, 1}),
                     x.view_as({3, 40}, {40, -1}, 39)}) {
    CHECK_FALSE(view.is_contiguous());
    io::save_npy(folder / "x.npy", view);
    CHECK(same(io::load_npy(folder / "x.npy"), view));
  }
}

TEST_CASE("what a tensor cannot hold is refused by name") {
  CHECK(refusal("refused_u8.npy") == "holds unsigned 64-bit integers, and 9223372036854775808 does not fit i64.");
  CHECK(refusal("refused_c8.npy") == "holds dtype '<c8', which tensors cannot.");
  CHECK(refusal("refused_text.npy") == "holds dtype '<U1', which tensors cannot.");
  CHECK(refusal("refused_object.npy") == "holds dtype '|O', which tensors cannot.");
  CHECK(refusal("refused_records.npy") == "holds records (a structured dtype), which tensors cannot.");
  CHECK(refusal("refused_rank9.npy") == "has more than 8 dimensions, which a tensor cannot.");
  CHECK(refusal("make_fixtures.py") == "is not a .npy file, it does not begin with \\x93NUMPY.");
}

TEST_CASE("hostile headers") {
  CHECK(refusal_of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }", "abcd") ==
        "ends too early, the array of shape [1000000000000] takes 4000000000000 bytes but at most 4 are there.");
  CHECK(refusal_of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }") ==
        "the array is too large to have in memory, shape [4294967296, 4294967296].");
  CHECK(refusal_of_header("{'descr': '<f4', 'fortran_order': True, 'shape': (0, 4294967296, 4294967296), }") ==
        "the array is too large to have in memory, shape [0, 4294967296, 4294967296].");
  CHECK(refusal_of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }") ==
        "has a damaged .npy header, a size is too large.");
  CHECK(refusal_of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }") ==
        "has a damaged .npy header, a size is missing at byte 51.");
  CHECK(refusal_of_header("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,), }") ==
        "has a damaged .npy header, 'fortran_order' is neither True nor False.");
  CHECK(refusal_of_header("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }") ==
        "has a damaged .npy header, a key is there twice.");
  CHECK(refusal_of_header("{'descr': '<f4', 'shape': (1,), }") ==
        "has a damaged .npy header, it lacks 'descr', 'fortran_order' or 'shape'.");
  CHECK(refusal_of_header("{'descr': '<f4\x1b[2J', 'fortran_order': False, 'shape': (), }") ==
        "holds dtype '<f4?[2J', which tensors cannot.");
  CHECK(refusal_of_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "abcdefgh") ==
        "goes on after its last value.");
}

TEST_CASE("bool bytes other than 0 and 1 are true") {
  TempFolder folder;
  std::string bytes = bytes_of(fixture("b1.npy"));
  bytes[bytes.size() - 1] = '\x80';
  bytes[bytes.size() - 2] = '\x02';
  write_bytes(folder / "x.npy", bytes);
  auto values = io::load_npy(folder / "x.npy").view<bool>();
  CHECK(reinterpret_cast<const char*>(values.data())[5] == 1);
  CHECK(reinterpret_cast<const char*>(values.data())[4] == 1);
}

TEST_CASE("places that are no files") {
  CHECK(error_of<FileError>([] { io::load_npy("no_such_file.npy"); }) ==
        "load_npy: no_such_file.npy: cannot be opened, No such file or directory.");
  CHECK(error_of<FileError>([] { io::load_npy("/tmp"); }) == "load_npy: /tmp: is a folder, not a file.");
  CHECK(error_of<FileError>([] { io::load_npy("/dev/zero"); }) == "load_npy: /dev/zero: is not a regular file.");
  CHECK(error_of<UsageError>([] { io::save_npy("x.npy", Tensor()); }) ==
        "save_npy: tensor is undefined and holds no value.");
}

TEST_CASE("truncated and damaged files") {
  check_truncations(fixture("f4.npy"), load);
  check_truncations(fixture("fortran.npy"), load);
  check_truncations(fixture("version3.npy"), load);
  CHECK(check_damage(fixture("f4.npy"), 3000, load) > 1000);
  CHECK(check_damage(fixture("fortran.npy"), 2000, load) > 500);
}
