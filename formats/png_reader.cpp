// libpng reports errors by longjmp. So what calls it are functions without objects that have destructors, each with its
// own setjmp; what they work on belongs to the caller.
#include <tapir/formats/pixels.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#ifdef TAPIR_PNG
#include <png.h>

#include <algorithm>
#include <cstring>
#endif

namespace tapir::detail {

#ifdef TAPIR_PNG
namespace {

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const unsigned char* at = nullptr;
  std::size_t left = 0;
  char error[128] = {};
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp text) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(reader->error, text, sizeof reader->error - 1);
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}
void on_read(png_structp png, png_bytep out, std::size_t n) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (n > reader->left) png_error(png, "it ends too early");
  std::memcpy(out, reader->at, n);
  reader->at += n;
  reader->left -= n;
}

// Up to the pixels, which will come as 8 bits of 1 to 4 channels.
bool read_header(Reader& r) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_set_read_fn(r.png, &r, on_read);
  png_set_user_limits(r.png, 0x7fffffff, 0x7fffffff);  // the product is looked at instead
  png_read_info(r.png, r.info);
  png_set_expand(r.png);  // palettes, fewer bits, a transparent colour
  png_set_strip_16(r.png);
  png_set_interlace_handling(r.png);
  return true;
}

bool read_pixels(Reader& r, png_bytepp rows) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_read_update_info(r.png, r.info);
  png_read_image(r.png, rows);
  png_read_end(r.png, nullptr);
  return true;
}

}  // namespace

Tensor png_pixels(std::string_view bytes, const PixelRequest& request) {
  Reader r;
  r.at = reinterpret_cast<const unsigned char*>(bytes.data());
  r.left = bytes.size();
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  if (r.png) r.info = png_create_info_struct(r.png);
  if (!r.info) throw OutOfMemoryError(request.context.op + ": libpng could not start.");
  const auto& context = request.context;
  if (!read_header(r)) context.fail(fmt::format("is no PNG, or is damaged: {}.", r.error));
  const std::int64_t width = png_get_image_width(r.png, r.info), height = png_get_image_height(r.png, r.info);
  request.check_size(width, height);
  // Deflate expands a byte to at most 1032.
  if (std::uint64_t(png_get_rowbytes(r.png, r.info)) * std::uint64_t(height) > bytes.size() * 1032)
    context.fail(fmt::format("claims {} x {} pixels, which {} bytes cannot hold.", width, height, bytes.size()));
  const int colour = png_get_color_type(r.png, r.info);
  const bool alpha = (colour & PNG_COLOR_MASK_ALPHA) || png_get_valid(r.png, r.info, PNG_INFO_tRNS);
  const std::int64_t channels = (colour & PNG_COLOR_MASK_COLOR ? 3 : 1) + alpha;
  Tensor image = Tensor::empty({height, width, channels}, DType::u8);
  std::vector<png_bytep> rows;
  auto* row = image.mutable_data<std::uint8_t>();
  for (std::int64_t y = 0; y < height; ++y, row += width * channels) rows.push_back(row);
  if (!read_pixels(r, rows.data())) context.fail(fmt::format("is damaged: {}.", r.error));
  if (std::int64_t(png_get_rowbytes(r.png, r.info)) != width * channels)
    throw InternalError("png: rows are not as long as they were said to be.");
  return with_channels(image, request.channels);
}
#else
Tensor png_pixels(std::string_view, const PixelRequest& request) {
  throw UsageError(request.context.op + ": this build reads no PNG, libpng was not there.");
}
#endif

}  // namespace tapir::detail
