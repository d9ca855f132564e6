// .npz: archives by NumPy and by us, zip64, and damage.
#include <tapir/test/io/files.h>

#include <tapir/io/npy.h>
#include <tapir/io/zip.h>

using namespace files;

static auto load = [](const std::string& path) { return io::load_npz(path); };

template <class T>
static Tensor grid(const std::vector<T>& values) {
  return Tensor::from_vector<T>(values, {2, 3});
}

template <class T>
static Tensor scaled(double by) {
  std::vector<T> v;
  for (int i = -3; i < 3; ++i) v.push_back(T(i * by));
  return grid(v);
}

static void check_numpy_archive(const io::NamedTensors& a) {
  CHECK(same(io::find(a, "f2"), scaled<float16>(0.5)));
  CHECK(same(io::find(a, "f4"), scaled<float>(0.25)));
  CHECK(same(io::find(a, "f8"), scaled<double>(0.125)));
  CHECK(same(io::find(a, "bf16"), scaled<bfloat16>(0.5)));
  CHECK(same(io::find(a, "i1"), scaled<std::int8_t>(1)));
  CHECK(same(io::find(a, "u1"), grid<std::uint8_t>({250, 251, 252, 253, 254, 255})));
  CHECK(same(io::find(a, "i2"), scaled<std::int16_t>(1000)));
  CHECK(same(io::find(a, "i4"), scaled<std::int32_t>(1e6)));
  CHECK(same(io::find(a, "i8"), scaled<std::int64_t>(1e12)));
  CHECK(same(io::find(a, "b1"), grid<bool>({false, true, false, true, false, true})));
  CHECK(same(io::find(a, "scalar"), Tensor::from_vector<float>({2.5f}, Shape{})));
  CHECK(same(io::find(a, "empty"), Tensor::empty({0, 3}, DType::f32)));
  CHECK(same(io::find(a, "u2"), Tensor::from_vector<std::int32_t>({0, 1, 65535})));
  CHECK(same(io::find(a, "u4"), Tensor::from_vector<std::int64_t>({0, 1, 4294967295})));
  CHECK(same(io::find(a, "u8"), Tensor::from_vector<std::int64_t>({0, 1, INT64_MAX})));
  CHECK(same(io::find(a, "big_f8"), Tensor::from_vector<double>({1.5, -2.5})));
  CHECK(same(io::find(a, "big_i2"), Tensor::from_vector<std::int16_t>({1, -2})));
  CHECK(same(io::find(a, "big_u4"), Tensor::from_vector<std::int64_t>({1, 2147483648})));
  std::vector<float> fortran(24);
  for (int i = 0; i < 24; ++i) fortran[std::size_t(i)] = float(i);
  CHECK(same(io::find(a, "fortran"), Tensor::from_vector<float>(fortran, {2, 3, 4})));
}

TEST_CASE("archives of numpy: stored, deflated, zip64") {
  auto stored = io::load_npz(fixture("numpy.npz"));
  CHECK(stored.size() == 19);
  CHECK(stored[0].first == "f2");
  CHECK(stored[18].first == "fortran");
  check_numpy_archive(stored);
  auto deflated = io::load_npz(fixture("numpy_deflated.npz"));
  check_numpy_archive(deflated);
  auto ramp = io::find(deflated, "ramp").to_vector<std::int32_t>();
  REQUIRE(ramp.size() == 3000);
  for (int i = 0; i < 3000; ++i) CHECK(ramp[std::size_t(i)] == i);
  auto zip64 = io::load_npz(fixture("zip64.npz"));
  CHECK(same(io::find(zip64, "a"), scaled<float>(0.25)));
  CHECK(same(io::find(zip64, "b"), scaled<std::int64_t>(1e12)));
}

static io::NamedTensors all_samples() {
  io::NamedTensors tensors;
  for (DType dtype : all_dtypes)
    for (auto& shape : {Shape{}, Shape{0}, Shape{3, 5}, Shape{200, 300}})
      tensors.emplace_back(std::string("layer/") + name_of(dtype) + shape.str() + "\xc3\xa9", sample(dtype, shape));
  tensors.emplace_back("", sample(DType::f32, {2}));
  tensors.emplace_back("view", sample(DType::f32, {3, 4}).view_as({4, 3}, {1, 4}));
  return tensors;
}

static void check_equal(const io::NamedTensors& a, const io::NamedTensors& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].first == b[i].first);
    CHECK(same(a[i].second, b[i].second));
  }
}

TEST_CASE("what is saved is loaded, in order") {
  TempFolder folder;
  auto tensors = all_samples();
  io::save_npz(folder / "stored.npz", tensors);
  check_equal(io::load_npz(folder / "stored.npz"), tensors);
  io::save_npz(folder / "deflated.npz", tensors, {.compress = true});
  check_equal(io::load_npz(folder / "deflated.npz"), tensors);
  CHECK(bytes_of(folder / "deflated.npz").size() < bytes_of(folder / "stored.npz").size() / 2);
  io::save_npz(folder / "none.npz", {});
  CHECK(io::load_npz(folder / "none.npz").empty());
  CHECK(folder.count() == 3);
}

TEST_CASE("many members, and sizes in zip64 form") {
  TempFolder folder;
  std::string path = folder / "x.npz", array = bytes_of(fixture("f4.npy"));
  for (std::uint64_t zip64_from : {0u, 200u, 2000u}) {
    detail::OutputFile file({"test", path});
    detail::ZipWriter zip(file, zip64_from);
    for (int i = 0; i < 30; ++i)
      zip.add(std::to_string(i) + ".npy", {{array.data(), 10}, {array.data() + 10, array.size() - 10}}, i % 2);
    zip.finish();
    file.commit();
    auto loaded = io::load_npz(path);
    REQUIRE(loaded.size() == 30);
    for (auto& [name, tensor] : loaded) CHECK(same(tensor, scaled<float>(0.25)));
  }
  detail::OutputFile file({"test", path});
  detail::ZipWriter zip(file);
  for (int i = 0; i < 66000; ++i) zip.add(std::to_string(i) + ".npy", {{array.data(), array.size()}}, false);
  zip.finish();
  file.commit();
  CHECK(io::load_npz(path).size() == 66000);
}

TEST_CASE("names") {
  io::NamedTensors two = {{"a", sample(DType::f32, {2})}, {"a", sample(DType::f32, {2})}};
  CHECK(error_of<UsageError>([&] { io::save_npz("x.npz", two); }) == "save_npz: two tensors are named \"a\".");
  two[1] = {"b", Tensor()};
  CHECK(error_of<UsageError>([&] { io::save_npz("x.npz", two); }) ==
        "save_npz: tensor \"b\" is undefined and holds no value.");
  two[1] = {std::string("b\0c", 3), sample(DType::f32, {2})};
  CHECK(error_of<UsageError>([&] { io::save_npz("x.npz", two); }) == "save_npz: a name has a NUL byte in it.");
  CHECK_FALSE(std::filesystem::exists("x.npz"));
  CHECK(io::contains(two, "a"));
  CHECK_FALSE(io::contains(two, "c"));
  two[1].first = "b";
  CHECK(error_of<UsageError>([&] { io::find(two, "c"); }) == "find: no tensor is named \"c\"; there are a, b.");
  CHECK(error_of<UsageError>([&] { io::find({}, "c"); }) == "find: no tensor is named \"c\"; there are none.");
}

TEST_CASE("truncated and damaged archives") {
  check_truncations(fixture("zip64.npz"), load);
  TempFolder folder;
  std::string small = folder / "small.npz";
  io::save_npz(small, {{"a", sample(DType::f32, {3})}, {"b", sample(DType::u8, {2, 2})}}, {.compress = true});
  check_truncations(small, load);
  CHECK(check_damage(small, 3000, load) > 2000);
  CHECK(check_damage(fixture("zip64.npz"), 3000, load) > 2000);
  CHECK(check_damage(fixture("numpy.npz"), 500, load) > 300);
  CHECK(check_damage(fixture("numpy_deflated.npz"), 1000, load) > 500);
}

TEST_CASE("every flipped bit of the values is noticed") {
  TempFolder folder;
  std::string path = folder / "x.npz";
  io::save_npz(path, {{"a", sample(DType::f32, {3})}});
  std::string bytes = bytes_of(path), name = "a.npy";
  std::size_t data = 30 + name.size() + 128;
  for (std::size_t bit = 0; bit < 12 * 8; ++bit) {
    std::string damaged = bytes;
    damaged[data + bit / 8] = char(damaged[data + bit / 8] ^ (1 << bit % 8));
    write_bytes(path, damaged);
    std::string what = error_of<FileError>([&] { io::load_npz(path); });
    CHECK_MESSAGE(what.starts_with("load_npz: " + path + ": a.npy: is damaged, its checksum is "), what);
  }
}

TEST_CASE("members that cannot be: overlapping, too large, of another kind") {
  TempFolder folder;
  std::string path = folder / "x.npz";
  auto refusal = [&](const std::string& bytes) {
    write_bytes(path, bytes);
    return error_of<FileError>([&] { io::load_npz(path); });
  };
  std::string start = "load_npz: " + path + ": ";
  std::string text = "not an array, but some text that is longer than the end of an archive";
  CHECK(refusal(text) == start + "is not a ZIP archive, or its end is missing.");
  CHECK(refusal("") == start + "is not a ZIP archive, or its end is missing.");

  io::save_npz(path, {{"a", sample(DType::f32, {3})}, {"b", sample(DType::f32, {3})}});
  std::string bytes = bytes_of(path);
  auto central = [&](const std::string& s, int nth) {
    auto at = s.find("PK\x01\x02");
    return nth ? s.find("PK\x01\x02", at + 1) : at;
  };
  std::string twice = bytes;  // the second entry names the first one's place
  std::size_t first = central(bytes, 0), second = central(bytes, 1);
  twice.replace(second + 42, 4, bytes.substr(first + 42, 4));
  CHECK(refusal(twice) == start + "member b.npy lies outside of the file or is damaged.");
  twice.replace(second + 46, 1, "a");
  CHECK(refusal(twice) == start + "members a.npy and a.npy overlap.");

  std::string encrypted = bytes;
  encrypted[first + 8] = 1;
  CHECK(refusal(encrypted) == start + "member a.npy is encrypted, which is not supported.");
  std::string bzip = bytes;
  bzip[first + 10] = 12;
  CHECK(refusal(bzip) ==
        start + "member a.npy is compressed by method 12; only stored (0) and deflated (8) ones are supported.");

  io::save_npz(path, {{"a", sample(DType::f32, {300})}}, {.compress = true});
  std::string bomb = bytes_of(path);
  bomb.replace(central(bomb, 0) + 24, 4, "\xf0\xff\xff\x7f");
  CHECK(refusal(bomb).starts_with(start + "a.npy: cannot expand to 2147483632 bytes from "));

  detail::OutputFile file({"test", path});
  detail::ZipWriter zip(file);
  zip.add("readme.txt", {{text.data(), text.size()}}, false);
  zip.finish();
  file.commit();
  CHECK(error_of<FileError>([&] { io::load_npz(path); }) ==
        start + "member readme.txt is not an array, its name does not end in .npy.");
}
