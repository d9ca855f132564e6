// Pictures: PNG and JPEG as Pillow reads them (make_images.py), folders, and damage.
#include <tapir/test/io/files.h>
#include <tapir/test/thrown.h>

#include <tapir/formats/image.h>
#include <tapir/io/npy.h>
#include <tapir/ops/close.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/index.h>
#include <tapir/ops/shaping.h>

#include <set>

using namespace files;
using formats::load_image;

namespace {

std::string picture(const std::string& name) { return source_path("test/formats/fixtures/images/" + name); }

// Pillow gives grey as [height, width].
bool is(const Tensor& image, const Tensor& expected) {
  return image.dtype() == DType::u8 && image.rank() == 3 && same(reshape(image, expected.shape()), expected);
}

}  // namespace

TEST_CASE("as Pillow reads them") {
  const io::NamedTensors values = io::load_npz(picture("values.npz"));
  CHECK(values.size() == 16);
  for (auto& [name, expected] : values) {
    INFO(name);
    const bool grey = name.ends_with(".grey");
    const std::string file = picture(grey ? name.substr(0, name.size() - 5) : name);
    const Tensor image = load_image(file, {.channels = grey});  // 0: as it is
    CHECK(image.shape() == Shape{9, 13, expected.rank() == 2 ? 1 : expected.shape()[2]});
    CHECK(is(image, expected));
    CHECK(same(formats::decode_image(bytes_of(file), {.channels = grey}), image));
  }
}

TEST_CASE("channels that are asked for") {
  const Tensor grey = load_image(picture("grey.png"), {.channels = 0}), rgb = load_image(picture("grey.png"));
  CHECK(rgb.shape() == Shape{9, 13, 3});
  for (int c = 0; c < 3; ++c) CHECK(array_equal(rgb(ellipsis, Slice(c, c + 1)), grey));
  const Tensor rgba = load_image(picture("rgba.png"), {.channels = 4});
  CHECK(array_equal(load_image(picture("rgba.png")), rgba(ellipsis, Slice(0, 3))));
  const Tensor two = load_image(picture("rgba.png"), {.channels = 2});
  CHECK(array_equal(two(ellipsis, 1), rgba(ellipsis, 3)));
  const Tensor opaque = load_image(picture("rgb.jpg"), {.channels = 4});
  CHECK(array_equal(opaque(ellipsis, Slice(0, 3)), load_image(picture("rgb.jpg"))));
  for (auto a : opaque(ellipsis, 3).astype(DType::i32).to_vector<std::int32_t>()) CHECK(a == 255);
}

TEST_CASE("resized, and written") {
  const Tensor image = load_image(picture("rgb.png"));
  const Tensor small = load_image(picture("rgb.png"), {.size = {4, 6}});
  CHECK(small.dtype() == DType::f32);
  CHECK(same(small, reshape(resize(reshape(image.astype(DType::f32), {1, 9, 13, 3}), {4, 6}), {4, 6, 3})));
  TempFolder folder;
  for (const char* name : {"grey.png", "grey_alpha.png", "rgb.png", "rgba.png"}) {
    const Tensor x = load_image(picture(name), {.channels = 0});
    formats::save_png(folder / name, x);
    CHECK(same(load_image(folder / name, {.channels = 0}), x));
  }
  CHECK(message<DTypeError>([&] { formats::save_png(folder / "x", small); }) ==
        "save_png: pixels are u8, got f32. Round and cast them.");
  CHECK(message<ShapeError>([&] { formats::save_png(folder / "x", reshape(image, {-1})); }) ==
        "save_png: needs [height, width] or [height, width, 1 to 4], got [351].");
}

TEST_CASE("a folder of classes") {
  TempFolder folder;
  namespace fs = std::filesystem;
  const auto copy = [&](const std::string& from, const std::string& to) {
    fs::create_directories(fs::path(folder / to).parent_path());
    fs::copy_file(picture(from), folder / to);
  };
  copy("rgb.png", "dogs/b.png");
  copy("rgb.jpg", "dogs/old/a.JPG");
  copy("grey.png", "cats/1.png");
  copy("rgba.png", "cats/2.png");
  copy("sharp.jpg", "birds/x.jpeg");
  write_bytes(folder / "cats/readme.txt", "no picture");
  const formats::ImageFolderOptions options{.size = {9, 13}, .batch_size = 2, .shuffle = false};
  const formats::ImageFolder found = formats::image_folder(folder.path, options);
  CHECK(found.class_names == std::vector<std::string>{"birds", "cats", "dogs"});
  CHECK(found.dataset.cardinality() == 3);
  CHECK(found.validation.cardinality() == 0);
  const data::Element all = found.dataset.unbatch().stacked();
  CHECK(all[0].shape() == Shape{5, 9, 13, 3});
  CHECK(all[1].to_vector<std::int64_t>() == std::vector<std::int64_t>{0, 1, 1, 2, 2});
  CHECK(array_equal(all[0][3], load_image(folder / "dogs/b.png").astype(DType::f32)));

  auto shuffled = options;
  shuffled.shuffle = true, shuffled.seed = 3, shuffled.threads = 2, shuffled.validation_split = 0.4;
  const formats::ImageFolder split = formats::image_folder(folder.path, shuffled);
  const auto labels = [](const data::Dataset& d, std::int64_t epoch) {
    std::vector<std::int64_t> out;
    auto pass = d.iterate({.epoch = epoch});
    while (auto e = pass.next())
      for (auto label : (*e)[1].to_vector<std::int64_t>()) out.push_back(label);
    return out;
  };
  const auto train = labels(split.dataset, 0), rest = labels(split.validation, 0);
  CHECK(train.size() == 3);
  CHECK(rest.size() == 2);
  std::multiset<std::int64_t> both(train.begin(), train.end());
  both.insert(rest.begin(), rest.end());
  CHECK(both == std::multiset<std::int64_t>{0, 1, 1, 2, 2});
  CHECK(labels(formats::image_folder(folder.path, shuffled).dataset, 1) == labels(split.dataset, 1));

  write_bytes(folder / "dogs/b.png", "not a picture");
  auto pass = found.dataset.iterate();
  pass.next();
  CHECK(thrown<FileError>([&] { pass.next(); }) ==
        "image_folder: " + (folder / "dogs/b.png") + ": is neither PNG nor JPEG.");
  TempFolder empty;
  const auto refusal = [&] { return error_of<FileError>([&] { formats::image_folder(empty.path); }); };
  CHECK(refusal() == "image_folder: " + empty.path + ": has no folders; each class has one.");
  fs::create_directory(empty / "class");
  CHECK(refusal() == "image_folder: " + empty.path + ": has no pictures (.png, .jpg, .jpeg) in its folders.");
  CHECK(error_of<FileError>([] { formats::image_folder("nowhere"); }) ==
        "image_folder: nowhere: cannot be looked through, No such file or directory.");
  CHECK(message<UsageError>([&] {
          formats::image_folder(folder.path, {.size = {0, 3}});
        }) == "image_folder: size is {height, width} of at least 1, got [0, 3].");
}

TEST_CASE("hostile files") {
  const auto load = [](const std::string& path) { (void)load_image(path); };
  check_truncations(picture("palette_alpha.png"), load);
  check_truncations(picture("progressive.jpg"), load);
  check_truncations(picture("grey.jpg"), load);
  CHECK(check_damage(picture("rgb.png"), 1000, load) > 500);
  CHECK(check_damage(picture("rgb.jpg"), 1000, load) > 100);
  CHECK(check_damage(picture("progressive.jpg"), 1000, load) > 100);
  CHECK(check_damage(picture("cmyk.jpg"), 500, load) > 50);

  TempFolder folder;
  const std::string path = folder / "x", start = "load_image: " + path + ": ";
  const auto refusal = [&](const std::string& bytes, std::int64_t most = 100'000'000) {
    write_bytes(path, bytes);
    return error_of<FileError>([&] { load_image(path, {.max_pixels = most}); });
  };
  CHECK(refusal("GIF89a") == start + "is neither PNG nor JPEG.");
  CHECK(refusal(bytes_of(picture("rgb.png")), 116) == start + "has 13 x 9 pixels, more than max_pixels, 116.");
  CHECK(refusal(bytes_of(picture("rgb.jpg")), 116) == start + "has 13 x 9 pixels, more than max_pixels, 116.");
  // a header of 9000 x 9000 pixels before the data of 13 x 9
  std::string bomb = bytes_of(picture("rgb.png"));
  bomb.replace(16, 8, std::string("\0\0\x23\x28\0\0\x23\x28", 8));
  std::uint32_t crc = ~0u;
  for (std::size_t i = 12; i < 29; ++i) {
    crc ^= static_cast<unsigned char>(bomb[i]);
    for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
  }
  for (std::size_t i = 0; i < 4; ++i) bomb[29 + i] = char(~crc >> (24 - 8 * i));
  CHECK(refusal(bomb) ==
        start + "claims 9000 x 9000 pixels, which " + std::to_string(bomb.size()) + " bytes cannot hold.");
  CHECK(message<FileError>([] { formats::decode_png("\x89PNG\r\n\x1a\n"); }) ==
        "decode_png: the data: is no PNG, or is damaged: it ends too early.");
  CHECK(message<FileError>([] { formats::decode_jpeg("no"); }).starts_with("decode_jpeg: the data: is no JPEG"));
  CHECK(message<UsageError>([] { load_image("x", {.channels = 5}); }) == "load_image: channels must be 0 to 4, got 5.");
}
