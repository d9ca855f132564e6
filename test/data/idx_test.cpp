// IDX: the bundled digits, every dtype, plain and gzipped, and damage. CIFAR in small.
#include <tapir/test/io/files.h>

#include <tapir/data/cifar.h>
#include <zlib.h>

using namespace files;

static auto load = [](const std::string& path) { return data::read_idx(path); };

static std::string idx(int type, const std::vector<int>& sizes, const std::string& values) {
  std::string s{'\0', '\0', char(type), char(sizes.size())};
  for (int n : sizes) s += {char(n >> 24), char(n >> 16), char(n >> 8), char(n)};
  return s + values;
}

static void write_gz(const std::string& path, const std::string& bytes, const char* mode = "wb") {
  gzFile f = gzopen(path.c_str(), mode);
  REQUIRE(f);
  REQUIRE(gzwrite(f, bytes.data(), unsigned(bytes.size())) == int(bytes.size()));
  REQUIRE(gzclose(f) == Z_OK);
}

// A folder with three 2x2 pictures called "some".
static void write_set(const TempFolder& folder, int labels = 3) {
  write_bytes(folder / "some-images-idx3-ubyte",
              idx(8, {3, 2, 2}, std::string("\0\xff\x33\x66\1\2\3\4\5\6\7\x08", 12)));
  write_gz(folder / "some-labels-idx1-ubyte.gz", idx(8, {labels}, std::string("\7\0\x09\1", std::size_t(labels))));
}

TEST_CASE("images in [0, 1] and labels, plain or gzipped") {
  TempFolder folder;
  write_set(folder);
  data::ImageSet set = data::load_idx(folder.path, "some");
  CHECK(set.images.shape() == Shape{3, 2, 2, 1});
  CHECK(set.images.dtype() == DType::f32);
  auto v = set.images.to_vector<float>();
  CHECK(v[0] == 0.0f);
  CHECK(v[1] == 1.0f);
  CHECK(v[2] == 0.2f);
  CHECK(v[3] == 0.4f);
  CHECK(v[11] == 8.0f / 255);
  CHECK(set.labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{7, 0, 9});
}

TEST_CASE("the bundled digits") {
  std::string folder = source_path("examples/digits");
  data::ImageSet train = data::load_idx(folder, "train"), test = data::load_idx(folder, "t10k");
  CHECK(train.images.shape() == Shape{8000, 28, 28, 1});
  CHECK(test.images.shape() == Shape{1000, 28, 28, 1});
  for (auto& set : {train, test}) {
    CHECK(set.labels.dtype() == DType::i64);
    std::vector<int> count(10);
    for (auto label : set.labels.to_vector<std::int64_t>()) {
      REQUIRE((label >= 0 && label < 10));
      ++count[std::size_t(label)];
    }
    for (int n : count) CHECK(n > int(set.labels.size()) / 20);
    double sum = 0;
    float least = 1, most = 0;
    for (float v : set.images.view<float>()) {
      sum += v;
      least = std::min(least, v);
      most = std::max(most, v);
    }
    CHECK(least == 0.0f);
    CHECK(most == 1.0f);
    CHECK(sum / double(set.images.size()) == doctest::Approx(0.13).epsilon(0.1));
  }
}

TEST_CASE("every dtype of the format") {
  TempFolder folder;
  auto read = [&](const std::string& bytes) {
    write_bytes(folder / "x", bytes);
    write_gz(folder / "x.gz", bytes);
    Tensor plain = data::read_idx(folder / "x");
    CHECK(same(plain, data::read_idx(folder / "x.gz")));
    return plain;
  };
  CHECK(same(read(idx(0x08, {2}, "\x01\xff")), Tensor::from_vector<std::uint8_t>({1, 255})));
  CHECK(same(read(idx(0x09, {2}, "\x01\xff")), Tensor::from_vector<std::int8_t>({1, -1})));
  CHECK(same(read(idx(0x0b, {1, 2}, "\x01\x02\xff\xfe")), Tensor::from_vector<std::int16_t>({258, -2}, {1, 2})));
  CHECK(same(read(idx(0x0c, {1}, "\x01\x02\x03\x04")), Tensor::from_vector<std::int32_t>({0x01020304})));
  CHECK(same(read(idx(0x0d, {1}, std::string("\xbf\xc0\0\0", 4))), Tensor::from_vector<float>({-1.5f})));
  CHECK(same(read(idx(0x0e, {1}, std::string("\xbf\xf8\0\0\0\0\0\0", 8))), Tensor::from_vector<double>({-1.5})));
  CHECK(read(idx(0x08, {0, 5}, "")).shape() == Shape{0, 5});
  CHECK(same(read(idx(0x08, {}, "\x07")), Tensor::from_vector<std::uint8_t>({7}, Shape{})));
}

TEST_CASE("a gzip file of several members") {
  TempFolder folder;
  std::string bytes = idx(8, {4}, "abcd");
  write_gz(folder / "x.gz", bytes.substr(0, 9));
  write_gz(folder / "x.gz", bytes.substr(9), "ab");
  CHECK(same(data::read_idx(folder / "x.gz"), Tensor::from_vector<std::uint8_t>({'a', 'b', 'c', 'd'})));
}

TEST_CASE("what is missing or does not fit is named") {
  TempFolder folder;
  auto refusal = [&](const std::string& where) { return error_of<FileError>([&] { data::load_idx(where, "some"); }); };
  CHECK(refusal("no_such_folder") ==
        "load_idx: no_such_folder: no such folder; looked for some-images-idx3-ubyte or some-images-idx3-ubyte.gz in "
        "it.");
  CHECK(refusal(folder.path) ==
        "load_idx: " + folder.path + ": has neither some-images-idx3-ubyte nor some-images-idx3-ubyte.gz.");
  write_set(folder, 2);
  CHECK(refusal(folder.path) ==
        "load_idx: " + (folder / "some-labels-idx1-ubyte.gz") + ": has 2 labels, but there are 3 images.");
  write_bytes(folder / "some-labels-idx1-ubyte", idx(0x0c, {1}, "abcd"));  // the plain file comes first
  CHECK(refusal(folder.path) ==
        "load_idx: " + (folder / "some-labels-idx1-ubyte") + ": labels are u8 of rank 1, but it holds i32 [1].");
}

TEST_CASE("hostile files") {
  TempFolder folder;
  std::string path = folder / "x", start = "read_idx: " + path + ": ";
  auto refusal = [&](const std::string& bytes, bool gz = false) {
    if (gz) write_gz(path, bytes);
    else write_bytes(path, bytes);
    return error_of<FileError>([&] { data::read_idx(path); });
  };
  CHECK(refusal("abcdefgh") == start + "is not an IDX file, it does not begin with two zero bytes.");
  CHECK(refusal(idx(0x07, {1}, "a")) == start + "is not an IDX file, it says type 0x07.");
  CHECK(refusal(idx(0x08, {1, 1, 1, 1, 1, 1, 1, 1, 1}, "a")) == start + "has 9 dimensions; a tensor has at most 8.");
  CHECK(refusal(idx(0x08, {2}, "a")) ==
        start + "ends too early, the array of shape [2] takes 2 bytes but at most 1 are there.");
  CHECK(refusal(idx(0x08, {1}, "ab")) == start + "goes on after its last value.");
  CHECK(refusal(idx(0x08, {1}, "ab"), true) == start + "goes on after its last value.");
  CHECK(refusal(idx(0x0e, {-1, -1}, "")) ==
        start + "the array is too large to have in memory, shape [4294967295, 4294967295].");
  CHECK(
      refusal(idx(0x08, {2000000000}, "a"), true)
          .starts_with(start + "ends too early, the array of shape [2000000000] takes 2000000000 bytes but at most "));
  write_gz(path, idx(0x08, {2}, "ab"));
  std::string bytes = bytes_of(path);
  bytes[bytes.size() - 8] ^= 1;
  CHECK(refusal(bytes) == start + "has damaged compressed data (incorrect data check).");
  write_gz(path, idx(0x08, {2}, "ab"));
  CHECK(refusal(bytes_of(path) + "tail") == start + "goes on after its compressed data.");
}

TEST_CASE("truncated and damaged files") {
  TempFolder folder;
  std::string values;
  for (int i = 0; i < 600; ++i) values += char(i * i);
  write_bytes(folder / "x", idx(0x0b, {3, 100}, values));
  write_gz(folder / "x.gz", idx(0x0b, {3, 100}, values));
  check_truncations(folder / "x", load);
  check_truncations(folder / "x.gz", load);
  CHECK(check_damage(folder / "x", 1000, load) > 100);
  CHECK(check_damage(folder / "x.gz", 3000, load) > 1000);
}

TEST_CASE("MNIST is two sets, also under the names with a dot") {
  TempFolder folder;
  for (const char* prefix : {"train", "t10k"}) {
    const bool train = prefix[1] == 'r';
    write_bytes(folder / prefix + (train ? "-images-idx3-ubyte" : "-images.idx3-ubyte"),
                idx(8, {train ? 2 : 1, 1, 1}, train ? "\1\2" : "\3"));
    write_gz(folder / prefix + (train ? "-labels-idx1-ubyte.gz" : "-labels.idx1-ubyte.gz"),
             idx(8, {train ? 2 : 1}, train ? "\5\6" : "\7"));
  }
  const data::TrainTest mnist = data::load_mnist(folder.path);
  CHECK(mnist.train.labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{5, 6});
  CHECK(mnist.test.labels.item<std::int64_t>() == 7);
  CHECK(mnist.test.images.item<float>() == 3.0f / 255);
}

// Records of `labels` and a picture whose bytes are first, first + 1, ...
static std::string cifar(const std::string& labels, int first) {
  std::string s = labels;
  for (int i = 0; i < 3072; ++i) s += char(first + i % 251);
  return s;
}

TEST_CASE("CIFAR-10 and CIFAR-100") {
  TempFolder folder;
  const std::string within = folder / "cifar-10-batches-bin";
  std::filesystem::create_directory(within);
  for (int i = 1; i <= 5; ++i)
    write_bytes(within + "/data_batch_" + std::to_string(i) + ".bin",
                cifar(std::string(1, char(i)), i) + cifar(std::string(1, char(10 - i)), 2 * i));
  write_bytes(within + "/test_batch.bin", cifar(std::string(1, '\0'), 0));
  for (const std::string& path : {folder.path, within}) {
    const auto [train, test] = data::load_cifar10(path);
    CHECK(train.images.shape() == Shape{10, 32, 32, 3});
    CHECK(train.images.dtype() == DType::u8);
    CHECK(train.labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 9, 2, 8, 3, 7, 4, 6, 5, 5});
    const auto pixels = train.images.to_vector<std::uint8_t>();
    bool right = true;  // the fourth picture, row by row, each pixel of three planes
    for (int p = 0; p < 1024; ++p)
      for (int c = 0; c < 3; ++c)
        right = right && pixels[std::size_t(3 * 3072 + 3 * p + c)] == 4 + (1024 * c + p) % 251;
    CHECK(right);
    CHECK(test.labels.to_vector<std::int64_t>() == std::vector<std::int64_t>{0});
  }
  write_bytes(folder / "train.bin", cifar("\x03\x63", 0) + cifar("\x13\x07", 1));
  write_bytes(folder / "test.bin", cifar("\x01\x02", 0));
  const std::vector<std::int64_t> fine{99, 7}, coarse{3, 19};
  CHECK(data::load_cifar100(folder.path).train.labels.to_vector<std::int64_t>() == fine);
  CHECK(data::load_cifar100(folder.path, data::Cifar100Labels::coarse).train.labels.to_vector<std::int64_t>() ==
        coarse);

  const auto refusal = [](const std::string& path) { return error_of<FileError>([&] { data::load_cifar10(path); }); };
  CHECK(refusal("no_such_folder") ==
        "load_cifar10: no_such_folder: no such folder; looked for data_batch_1.bin in it.");
  write_bytes(within + "/data_batch_4.bin", cifar("\x0a", 0));
  CHECK(refusal(within) ==
        "load_cifar10: " + within + "/data_batch_4.bin: is damaged: picture 0 has label 10 of 10 classes.");
  write_bytes(within + "/data_batch_4.bin", "short");
  CHECK(refusal(within) == "load_cifar10: " + within +
                               "/data_batch_4.bin: is not such a file: records take 3073 bytes each, but it has 5.");
  std::filesystem::remove(within + "/data_batch_4.bin");
  CHECK(refusal(within) ==
        "load_cifar10: " + within + "/data_batch_4.bin: cannot be opened, No such file or directory.");
  std::filesystem::remove(within + "/data_batch_1.bin");
  CHECK(refusal(within) ==
        "load_cifar10: " + within + ": has no data_batch_1.bin, and no cifar-10-batches-bin/data_batch_1.bin.");
}
