#include <tapir/test/io/files.h>

#include <tapir/formats/hdf5.h>
#include <tapir/tensor/error.h>
#include <tapir/test/thrown.h>

using namespace tapir;
using namespace files;

namespace {

std::string made(const std::string& name) { return source_path("test/formats/fixtures/" + name); }

std::string refusal(const std::string& path) {
  return thrown<FileError>([&] { (void)formats::load_hdf5(path); });
}

}  // namespace

TEST_CASE("what h5py writes") {
  const io::NamedTensors all = formats::load_hdf5(made("types.h5"));
  CHECK_FALSE(io::contains(all, "text"));
  auto has = [&]<class T>(const std::string& name, T) {
    const Tensor x = io::find(all, name);
    CHECK_MESSAGE((x.dtype() == dtype_of<T>() && x.shape() == Shape{2, 3}), name);
    const std::vector<T> values = x.to_vector<T>();
    for (std::size_t i = 0; i < 6; ++i) CHECK_MESSAGE(double(values[i]) == double(i), name);
  };
  has("little/f4", float());
  has("little/f8", double());
  has("little/f2", float16());
  has("little/i1", std::int8_t());
  has("little/u1", std::uint8_t());
  has("little/i2", std::int16_t());
  has("little/i4", std::int32_t());
  has("little/i8", std::int64_t());
  has("little/u2", std::int32_t());
  has("little/u4", std::int64_t());
  has("big/f4", float());
  has("big/i2", std::int16_t());
  CHECK(io::find(all, "bool").to_vector<bool>() == std::vector<bool>{false, true, false, true, false, true});
  CHECK(formats::load_hdf5(made("types.h5"), "scalar").item<float>() == 2.5f);
  CHECK(io::find(all, "none").shape() == Shape{0, 3});
  const std::vector<std::int32_t> packed = io::find(all, "packed").to_vector<std::int32_t>();
  REQUIRE(packed.size() == 5000);
  for (int i = 0; i < 5000; ++i) CHECK(packed[std::size_t(i)] == i);
}

TEST_CASE("what is written is read again") {
  TempFolder folder;
  const io::NamedTensors all{{"a/b/0", Tensor::from_vector<float>({1, 2, 3, 4, 5, 6}, {3, 2})},
                             {"a/c", Tensor::from_vector<std::int64_t>({7})},
                             {"half", Tensor::from_vector<float16>({float16(0.5f), float16(-65504.f)})},
                             {"brain", Tensor::from_vector<bfloat16>({bfloat16(0.5f), bfloat16(-1e30f)})},
                             {"truth", Tensor::from_vector<bool>({true, false})},
                             {"z", Tensor::from_vector<double>({}, {0, 2})}};
  formats::save_hdf5(folder / "x.h5", all);
  CHECK(folder.count() == 1);
  const io::NamedTensors again = formats::load_hdf5(folder / "x.h5");
  REQUIRE(again.size() == all.size());
  for (auto& [name, x] : all) {
    const Tensor y = io::find(again, name);
    CHECK_MESSAGE((y.spec() == x.spec() &&
                   std::memcmp(x.data<char>(), y.data<char>(), std::size_t(x.size()) * size_of(x.dtype())) == 0),
                  name);
  }
  CHECK(thrown<UsageError>([&] {
          formats::save_hdf5(folder / "y.h5", {all[1], all[1]});
        }).find("cannot be named \"a/c\"") != std::string::npos);
  CHECK(folder.count() == 1);
}

TEST_CASE("hostile files") {
  CHECK(refusal(made("external.h5")).find("'stolen' is stored in another file") != std::string::npos);
  CHECK(refusal(made("link.h5")).find("'there' is a link to elsewhere") != std::string::npos);
  CHECK(refusal(made("claims.h5")).find("'huge' claims 4398046511104 bytes") != std::string::npos);
  CHECK(refusal(made("cycle.h5")).find("holds itself") != std::string::npos);
  CHECK(refusal(made("../make_fixtures.py")).find("is not an HDF5 file, or is damaged.") != std::string::npos);
  CHECK(refusal("/nowhere.h5").find("load_hdf5: /nowhere.h5: cannot be opened") != std::string::npos);
  CHECK(thrown<FileError>([] {
          (void)formats::load_hdf5(made("types.h5"), "little/f3");
        }).find("there is no dataset 'little/f3'") != std::string::npos);
}

TEST_CASE("damaged files are refused or read, and end") {
  TempFolder folder;
  const std::string good = bytes_of(made("types.h5"));
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string bad = good;
    if (i % 4 == 0) bad.resize(random() % bad.size());
    else
      for (int k = 0; k < 4; ++k) bad[random() % bad.size()] = char(random());
    std::ofstream(folder / "bad.h5", std::ios::binary) << bad;
    refused += refusal(folder / "bad.h5") != "nothing was thrown";
  }
  CHECK(refused > 100);
}
