#include <tapir/formats/image.h>
#include <tapir/formats/pixels.h>
#include <tapir/io/output_file.h>
#include <tapir/io/png.h>
#include <tapir/io/values.h>
#include <tapir/ops/create.h>
#include <tapir/ops/elementwise.h>
#include <tapir/ops/random.h>
#include <tapir/ops/rearrange.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <random>

namespace tapir {

using detail::FileContext;

namespace detail {

void PixelRequest::check_size(std::int64_t width, std::int64_t height) const {
  if (width < 1 || height < 1) context.fail("has no pixels.");
  if (width > max_pixels / height)
    context.fail(fmt::format("has {} x {} pixels, more than max_pixels, {}.", width, height, max_pixels));
}

Tensor with_channels(const Tensor& image, int channels) {
  const int from = int(image.shape()[2]), to = channels == 0 ? from : channels;
  if (from == to) return image;
  Tensor out = Tensor::empty({image.shape()[0], image.shape()[1], to}, DType::u8);
  const auto* p = image.data<std::uint8_t>();
  auto* q = out.mutable_data<std::uint8_t>();
  const bool colour = from >= 3, alpha = from % 2 == 0;
  for (std::int64_t i = 0; i < out.size() / to; ++i, p += from, q += to) {
    if (to >= 3) {
      for (int c = 0; c < 3; ++c) q[c] = p[colour ? c : 0];
    } else {  // in 1/65536, rounded, as Pillow
      q[0] = colour ? std::uint8_t((p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 0x8000) >> 16) : p[0];
    }
    if (to % 2 == 0) q[to - 1] = alpha ? p[from - 1] : 255;
  }
  return out;
}

}  // namespace detail

namespace formats {
namespace {

bool is_png(std::string_view bytes) { return bytes.starts_with("\x89PNG"); }
bool is_jpeg(std::string_view bytes) { return bytes.starts_with("\xff\xd8"); }

detail::PixelRequest request_of(const char* op, const std::string& path, int channels, std::int64_t max_pixels) {
  if (channels < 0 || channels > 4) throw UsageError(fmt::format("{}: channels must be 0 to 4, got {}.", op, channels));
  if (max_pixels < 1) throw UsageError(fmt::format("{}: max_pixels must be at least 1, got {}.", op, max_pixels));
  return {{op, path}, channels, max_pixels};
}

Tensor pixels_of(std::string_view bytes, const detail::PixelRequest& request) {
  if (is_png(bytes)) return detail::png_pixels(bytes, request);
  if (is_jpeg(bytes)) return detail::jpeg_pixels(bytes, request);
  request.context.fail("is neither PNG nor JPEG.");
}

void check_size(const char* op, const Shape& size) {
  if (size.rank() != 2 || size[0] < 1 || size[1] < 1)
    throw UsageError(fmt::format("{}: size is {{height, width}} of at least 1, got {}.", op, size.str()));
}

Tensor load(const detail::PixelRequest& request, const Shape& size, ResizeMethod method) {
  const detail::InputFile file(request.context);
  std::string bytes(file.size(), '\0');
  file.read_at(0, bytes.data(), bytes.size());
  const Tensor image = pixels_of(bytes, request);
  if (size.rank() == 0) return image;
  return squeeze(resize(expand_dims(image.astype(DType::f32), 0), size, {.method = method}), {0});
}

constexpr const char* kBytes = "the data";

}  // namespace

Tensor decode_png(std::string_view bytes, const ImageOptions& o, Where where) {
  CallSite site(where);
  return detail::png_pixels(bytes, request_of("decode_png", kBytes, o.channels, o.max_pixels));
}
Tensor decode_jpeg(std::string_view bytes, const ImageOptions& o, Where where) {
  CallSite site(where);
  return detail::jpeg_pixels(bytes, request_of("decode_jpeg", kBytes, o.channels, o.max_pixels));
}
Tensor decode_image(std::string_view bytes, const ImageOptions& o, Where where) {
  CallSite site(where);
  return pixels_of(bytes, request_of("decode_image", kBytes, o.channels, o.max_pixels));
}

Tensor load_image(const std::string& path, const LoadImageOptions& o, Where where) {
  CallSite site(where);
  if (o.size.rank() != 0) check_size("load_image", o.size);
  return load(request_of("load_image", path, o.channels, o.max_pixels), o.size, o.method);
}

void save_png(const std::string& path, const Tensor& image, Where where) {
  CallSite site(where);
  const Tensor dense = detail::dense_on_cpu(image, "save_png", "");
  if (dense.dtype() != DType::u8)
    throw DTypeError(fmt::format("save_png: pixels are u8, got {}. Round and cast them.", name_of(dense.dtype())));
  const Shape& s = dense.shape();
  const std::int64_t channels = s.rank() == 3 ? s[2] : 1;
  if ((s.rank() != 2 && s.rank() != 3) || dense.size() == 0 || channels > 4 || s[0] > INT32_MAX || s[1] > INT32_MAX)
    throw ShapeError(fmt::format("save_png: needs [height, width] or [height, width, 1 to 4], got {}.", s.str()));
  const std::string bytes = detail::png(dense.data<std::uint8_t>(), s[0], s[1], int(channels));
  detail::OutputFile out({"save_png", path});
  out.write(bytes);
  out.commit();
}

// ---- folders

namespace {

namespace fs = std::filesystem;

bool is_picture(const fs::path& path) {
  std::string end = path.extension().string();
  for (char& c : end) c = char(std::tolower(static_cast<unsigned char>(c)));
  return end == ".png" || end == ".jpg" || end == ".jpeg";
}

struct Pictures {
  std::vector<std::string> class_names, paths;
  std::vector<std::int64_t> labels;
};

Pictures find_pictures(const FileContext& context) {
  Pictures found;
  try {
    for (auto& entry : fs::directory_iterator(context.path))
      if (entry.is_directory()) found.class_names.push_back(entry.path().filename().string());
    std::sort(found.class_names.begin(), found.class_names.end());
    if (found.class_names.empty()) context.fail("has no folders; each class has one.");
    for (std::size_t label = 0; label < found.class_names.size(); ++label) {
      const std::size_t first = found.paths.size();
      for (auto& entry : fs::recursive_directory_iterator(fs::path(context.path) / found.class_names[label]))
        if (is_picture(entry.path()) && entry.is_regular_file()) found.paths.push_back(entry.path().string());
      std::sort(found.paths.begin() + std::ptrdiff_t(first), found.paths.end());
      found.labels.resize(found.paths.size(), std::int64_t(label));
    }
  } catch (const fs::filesystem_error& e) {
    context.fail(fmt::format("cannot be looked through, {}.", e.code().message()));
  }
  if (found.paths.empty()) context.fail("has no pictures (.png, .jpg, .jpeg) in its folders.");
  return found;
}

// The places of the pictures of one part, as a dataset of {path's number, label}.
data::Dataset part(const std::vector<std::int64_t>& which, const std::shared_ptr<const Pictures>& pictures) {
  if (which.empty()) return data::Dataset::range(0);
  std::vector<std::int64_t> labels;
  for (auto i : which) labels.push_back(pictures->labels[std::size_t(i)]);
  return data::Dataset::from_tensors({Tensor::from_vector(which), Tensor::from_vector(labels)});
}

}  // namespace

ImageFolder image_folder(const std::string& folder, const ImageFolderOptions& o, Where where) {
  CallSite site(where);
  check_size("image_folder", o.size);
  const detail::PixelRequest request = request_of("image_folder", folder, o.channels, o.max_pixels);
  if (o.channels == 0) throw UsageError("image_folder: pictures of a batch have as many channels, so 0 is none.");
  if (!(o.validation_split >= 0 && o.validation_split < 1))
    throw UsageError(fmt::format("image_folder: validation_split must be in [0, 1), got {}.", o.validation_split));
  if (o.batch_size < 1 || o.threads < 1)
    throw UsageError(fmt::format("image_folder: batch_size and threads must be at least 1, got {} and {}.",
                                 o.batch_size, o.threads));
  const auto pictures = std::make_shared<const Pictures>(find_pictures(request.context));
  const std::int64_t seed =
      o.seed >= 0 ? o.seed : std::int64_t(random::uniform({}, {.dtype = DType::f64}).item<double>() * 0x1p53);
  std::vector<std::int64_t> order(pictures->paths.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = std::int64_t(i);
  if (o.validation_split > 0) {
    std::mt19937_64 draw{std::uint64_t(seed)};
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[draw() % i]);
  }
  const auto n = std::ptrdiff_t(std::ceil(double(order.size()) * (1 - o.validation_split)));
  const auto read = [pictures, request, o](const data::Element& e) {
    detail::PixelRequest of_file = request;
    of_file.context.path = pictures->paths[std::size_t(e[0].item<std::int64_t>())];
    return data::Element{load(of_file, o.size, o.method), e[1]};
  };
  data::Dataset train = part({order.begin(), order.begin() + n}, pictures);
  if (o.shuffle) train = train.shuffle(n, {.seed = seed});
  const data::Dataset rest = part({order.begin() + n, order.end()}, pictures);
  return {train.map(read, {.threads = o.threads}).batch(o.batch_size),
          rest.map(read, {.threads = o.threads}).batch(o.batch_size), pictures->class_names};
}

}  // namespace formats
}  // namespace tapir
