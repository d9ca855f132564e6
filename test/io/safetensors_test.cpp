// safetensors: a file by the real package, our own, and hostile ones.
#include <tapir/test/io/files.h>

#include <tapir/io/safetensors.h>

#include <algorithm>

using namespace files;

static auto load = [](const std::string& path) { return io::load_safetensors(path); };

TEST_CASE("a file of the real package") {
  auto t = io::load_safetensors(fixture("real.safetensors"));
  CHECK(t.size() == 12);
  CHECK(same(io::find(t, "f4"), Tensor::from_vector<float>({-0.75f, -0.5f, -0.25f, 0, 0.25f, 0.5f}, {2, 3})));
  CHECK(same(io::find(t, "f8"), Tensor::from_vector<double>({-0.375, -0.25, -0.125, 0, 0.125, 0.25}, {2, 3})));
  CHECK(io::find(t, "f2").astype(DType::f32).to_vector<float>() == std::vector<float>{-1.5f, -1, -0.5f, 0, 0.5f, 1});
  CHECK(io::find(t, "bf16").astype(DType::f32).to_vector<float>() == std::vector<float>{-1.5f, -1, -0.5f, 0, 0.5f, 1});
  CHECK(io::find(t, "f2").dtype() == DType::f16);
  CHECK(io::find(t, "bf16").dtype() == DType::bf16);
  CHECK(io::find(t, "i1").to_vector<std::int8_t>() == std::vector<std::int8_t>{-3, -2, -1, 0, 1, 2});
  CHECK(io::find(t, "u1").to_vector<std::uint8_t>() == std::vector<std::uint8_t>{250, 251, 252, 253, 254, 255});
  CHECK(io::find(t, "i2").to_vector<std::int16_t>() == std::vector<std::int16_t>{-3000, -2000, -1000, 0, 1000, 2000});
  CHECK(io::find(t, "i4").to_vector<std::int32_t>()[5] == 2000000);
  CHECK(io::find(t, "i8").to_vector<std::int64_t>()[0] == -3000000000000);
  CHECK(io::find(t, "b1").to_vector<bool>() == std::vector<bool>{false, true, false, true, false, true});
  CHECK(same(io::find(t, "scalar"), Tensor::from_vector<float>({2.5f}, Shape{})));
  CHECK(io::find(t, "empty").shape() == Shape{0, 3});
  io::Metadata metadata = io::load_safetensors_metadata(fixture("real.safetensors"));
  std::sort(metadata.begin(), metadata.end());
  CHECK(metadata == io::Metadata{{"format", "np"}, {"note", "caf\xc3\xa9 \"quoted\""}});
}

TEST_CASE("what is saved is loaded, in order") {
  TempFolder folder;
  std::string path = folder / "x.safetensors";
  io::NamedTensors tensors;
  for (DType dtype : {DType::boolean, DType::u8, DType::f16, DType::f64, DType::bf16, DType::i8, DType::i64, DType::f32,
                      DType::i16, DType::i32})
    for (auto& shape : {Shape{}, Shape{0}, Shape{3, 5}, Shape{1, 2, 1, 2, 1, 2, 1, 3}, Shape{200, 30}})
      tensors.emplace_back(std::string("layer \"1\"\n\xc3\xa9/") + name_of(dtype) + shape.str(), sample(dtype, shape));
  tensors.emplace_back("", sample(DType::f32, {2}));
  tensors.emplace_back("view", sample(DType::f32, {3, 4}).view_as({4, 3}, {1, 4}));
  io::Metadata metadata = {{"z", "{\"json\": [1]}"}, {"a", ""}};
  io::save_safetensors(path, tensors, metadata);
  auto loaded = io::load_safetensors(path);
  REQUIRE(loaded.size() == tensors.size());
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    CHECK(loaded[i].first == tensors[i].first);
    CHECK(same(loaded[i].second, tensors[i].second));
  }
  CHECK(io::load_safetensors_metadata(path) == metadata);
  io::save_safetensors(path, {});
  CHECK(io::load_safetensors(path).empty());
  CHECK(io::load_safetensors_metadata(path).empty());
  CHECK(bytes_of(path) == std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  CHECK(folder.count() == 1);
}

TEST_CASE("wide types come first, so that every tensor is aligned") {
  TempFolder folder;
  std::string path = folder / "x.safetensors";
  io::save_safetensors(path, {{"b", sample(DType::u8, {3})}, {"a", sample(DType::f32, {1})}});
  std::string text =
      "{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[4,7]},"
      "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
  std::string bytes = bytes_of(path);
  CHECK(bytes.substr(8, text.size()) == text);
  CHECK(bytes[0] % 8 == 0);
  CHECK(bytes.size() == 8u + static_cast<unsigned char>(bytes[0]) + 7);
}

TEST_CASE("names and metadata") {
  Tensor x = sample(DType::f32, {2});
  auto refusal = [&](const io::NamedTensors& tensors, const io::Metadata& metadata = {}) {
    return error_of<UsageError>([&] { io::save_safetensors("x.safetensors", tensors, metadata); });
  };
  CHECK(refusal({{"a", x}, {"a", x}}) == "save_safetensors: two tensors are named \"a\".");
  CHECK(refusal({{"__metadata__", x}}) == "save_safetensors: a tensor may not be named \"__metadata__\".");
  CHECK(refusal({{"a", Tensor()}}) == "save_safetensors: tensor \"a\" is undefined and holds no value.");
  CHECK(refusal({{"\xff", x}}) == "save_safetensors: a name or metadata text is not UTF-8, 1 bytes long.");
  CHECK(refusal({{"a", x}}, {{"k", "1"}, {"k", "2"}}) == "save_safetensors: metadata \"k\" is there twice.");
  CHECK_FALSE(std::filesystem::exists("x.safetensors"));
}

struct Hostile {
  TempFolder folder;
  std::string path = folder / "x.safetensors";
  std::string operator()(const std::string& header, const std::string& data = "") {
    std::uint64_t n = header.size();
    return raw(std::string(reinterpret_cast<const char*>(&n), 8) + header + data);
  }
  std::string raw(const std::string& bytes) {
    write_bytes(path, bytes);
    std::string what = error_of<FileError>([&] { io::load_safetensors(path); }),
                start = "load_safetensors: " + path + ": ";
    return what.starts_with(start) ? what.substr(start.size()) : what;
  }
};

TEST_CASE("hostile lengths") {
  Hostile refusal;
  CHECK(refusal.raw("abc") == "is not a safetensors file, it has 3 bytes only.");
  CHECK(refusal.raw(std::string(8, '\xff')) ==
        "is not a safetensors file: its header has 18446744073709551615 bytes, at most 100000000 are allowed.");
  CHECK(refusal.raw(std::string("\x10\0\0\0\0\0\0\0{}", 10)) ==
        "ends too early, its header takes 16 bytes but 2 are there.");
  CHECK(refusal("") == "is not a safetensors file: its header does not begin with '{'.");
  CHECK(refusal("[]") == "is not a safetensors file: its header does not begin with '{'.");
}

TEST_CASE("hostile JSON") {
  Hostile refusal;
  std::string bad = "has a damaged safetensors header, ";
  CHECK(refusal("{\"a\":" + std::string(1000000, '[')) == bad + "a list is out of place after \"a\".");
  CHECK(refusal("{\"a\":{\"dtype\":" + std::string(1000000, '{')) == bad + "an object is out of place after \"a\".");
  std::string nested = "{";
  for (int i = 0; i < 100000; ++i) nested += "\"a\":{";
  CHECK(refusal(nested) == bad + "\"a\" has an unknown or repeated field \"a\".");
  CHECK(refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}", "abcd") ==
        bad + "it is not JSON at byte 53.");
  CHECK(refusal("{} x") == bad + "it is not JSON at byte 4.");
  CHECK(refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}") == bad + "\"a\" lacks dtype, shape or data_offsets.");
  CHECK(refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}") ==
        bad + "a negative number is out of place after \"a\".");
  CHECK(refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}") ==
        bad + "a fraction is out of place after \"a\".");
  CHECK(refusal("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,2,4]}}") ==
        bad + "\"a\" needs two data_offsets.");
  CHECK(refusal("{\"__metadata__\":{\"k\":1}}") == bad + "a number is out of place.");
  CHECK(refusal("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}") == bad + "metadata \"k\" is there twice.");
  std::string a = "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}";
  CHECK(refusal("{" + a + "," + a + "}", "x") == bad + "\"a\" is there twice.");
  CHECK(refusal("{\"\xff\":{}}") == bad + "it is not JSON at byte 3.");
}

TEST_CASE("hostile sizes and places") {
  Hostile refusal;
  auto entry = [](const char* name, const char* shape, const char* offsets, const char* dtype = "F32") {
    return std::string("\"") + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}";
  };
  CHECK(refusal("{" + entry("a", "[2]", "[0,4]") + "}", "abcd") ==
        "tensor \"a\" of f32 [2] takes 8 bytes, but its data_offsets are [0, 4].");
  CHECK(refusal("{" + entry("a", "[1]", "[4,0]") + "}", "abcd") ==
        "tensor \"a\" of f32 [1] takes 4 bytes, but its data_offsets are [4, 0].");
  CHECK(refusal("{" + entry("a", "[4294967296,4294967296]", "[0,0]") + "}") ==
        "tensor \"a\" is too large to have in memory, shape [4294967296, 4294967296].");
  CHECK(refusal("{" + entry("a", "[0,4294967296,4294967296]", "[0,0]") + "}") ==
        "tensor \"a\" is too large to have in memory, shape [0, 4294967296, 4294967296].");
  CHECK(refusal("{" + entry("a", "[18446744073709551615]", "[0,0]") + "}") ==
        "has a damaged safetensors header, \"a\" has a size that is too large, 18446744073709551615.");
  CHECK(refusal("{" + entry("a", "[1]", "[0,4]") + "," + entry("b", "[1]", "[0,4]") + "}", "abcd") ==
        "tensor \"b\" begins at byte 0 of the data, but the one before it ends at 4.");
  CHECK(refusal("{" + entry("a", "[1]", "[4,8]") + "}", "abcdefgh") ==
        "tensor \"a\" begins at byte 4 of the data, but the one before it ends at 0.");
  CHECK(refusal("{" + entry("a", "[1000000000000]", "[0,4000000000000]") + "}", "abcd") ==
        "ends too early, its tensors take 4000000000000 bytes but 4 are there.");
  CHECK(refusal("{" + entry("a", "[1]", "[0,4]") + "}", "abcdef") == "has 2 bytes that belong to no tensor.");
  CHECK(refusal("{" + entry("a", "[1,1,1,1,1,1,1,1,1]", "[0,4]") + "}", "abcd") ==
        "tensor \"a\" has more than 8 dimensions, which tensors cannot.");
  CHECK(refusal("{" + entry("a", "[1]", "[0,1]", "F8_E4M3") + "}", "x") ==
        "tensor \"a\" has dtype \"F8_E4M3\", which tensors cannot have; the known ones are F32 F64 F16 BF16 I8 U8 I16 "
        "I32 "
        "I64 BOOL.");
  std::string path = fixture("refused_u16.safetensors");
  CHECK(error_of<FileError>([&] {
          io::load_safetensors(path);
        }).starts_with("load_safetensors: " + path + ": tensor \"x\" has dtype \"U16\", which tensors cannot have"));
}

TEST_CASE("truncated and damaged files") {
  check_truncations(fixture("real.safetensors"), load);
  CHECK(check_damage(fixture("real.safetensors"), 5000, load) > 2000);
}
