// libjpeg reports errors by longjmp, as libpng (png_reader.cpp); and it goes on after damage with a warning, which is
// an error here.
#include <tapir/formats/pixels.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#ifdef TAPIR_JPEG
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include <jpeglib.h>

#include <jerror.h>
#endif

namespace tapir::detail {

#ifdef TAPIR_JPEG
namespace {

constexpr int kMostScans = 500;  // a small progressive file of very many takes hours

struct Reader {
  jpeg_decompress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back;
  char error[JMSG_LENGTH_MAX] = {};
  ~Reader() { jpeg_destroy_decompress(&jpeg); }
};

[[noreturn]] void on_error(j_common_ptr common) {
  auto* reader = static_cast<Reader*>(common->client_data);
  if (!*reader->error) common->err->format_message(common, reader->error);
  std::longjmp(reader->back, 1);
}
// Below 0: a warning. Bytes between segments, and an unknown colour transform, harm nothing.
void on_message(j_common_ptr common, int level) {
  const int code = common->err->msg_code;
  if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM) on_error(common);
}
void on_progress(j_common_ptr common) {
  auto* reader = static_cast<Reader*>(common->client_data);
  if (reader->jpeg.input_scan_number <= kMostScans) return;
  std::strcpy(reader->error, "it has more than 500 scans");
  std::longjmp(reader->back, 1);
}

bool read_header(Reader& r, const unsigned char* bytes, unsigned long n) {
  if (setjmp(r.back)) return false;
  jpeg_create_decompress(&r.jpeg);
  r.jpeg.client_data = &r;
  r.progress.progress_monitor = on_progress;
  r.jpeg.progress = &r.progress;
  jpeg_mem_src(&r.jpeg, bytes, n);
  jpeg_read_header(&r.jpeg, TRUE);
  return true;
}

bool start(Reader& r, bool grey) {
  if (setjmp(r.back)) return false;
  const J_COLOR_SPACE from = r.jpeg.jpeg_color_space;
  if (from == JCS_GRAYSCALE || (grey && from == JCS_YCbCr)) r.jpeg.out_color_space = JCS_GRAYSCALE;
  else if (from == JCS_CMYK || from == JCS_YCCK) r.jpeg.out_color_space = JCS_CMYK;
  else r.jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&r.jpeg);
  return true;
}

bool read_pixels(Reader& r, JSAMPLE* out) {
  if (setjmp(r.back)) return false;
  const std::size_t row = std::size_t(r.jpeg.output_width) * std::size_t(r.jpeg.output_components);
  while (r.jpeg.output_scanline < r.jpeg.output_height) {
    JSAMPROW rows[1] = {out + r.jpeg.output_scanline * row};
    jpeg_read_scanlines(&r.jpeg, rows, 1);
  }
  jpeg_finish_decompress(&r.jpeg);
  return true;
}

// Inks become lights; Adobe's files have them inverted.
Tensor from_cmyk(const Tensor& cmyk, bool inverted) {
  Tensor rgb = Tensor::empty({cmyk.shape()[0], cmyk.shape()[1], 3}, DType::u8);
  const auto* from = cmyk.data<std::uint8_t>();
  auto* to = rgb.mutable_data<std::uint8_t>();
  const int flip = inverted ? 0 : 255;
  for (std::int64_t i = 0; i < rgb.size() / 3; ++i)
    for (int c = 0; c < 3; ++c) to[3 * i + c] = std::uint8_t((from[4 * i + c] ^ flip) * (from[4 * i + 3] ^ flip) / 255);
  return rgb;
}

}  // namespace

Tensor jpeg_pixels(std::string_view bytes, const PixelRequest& request) {
  Reader r;
  r.jpeg.err = jpeg_std_error(&r.errors);
  r.errors.error_exit = on_error;
  r.errors.emit_message = on_message;
  r.jpeg.client_data = &r;
  const auto& context = request.context;
  if (!read_header(r, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()))
    context.fail(fmt::format("is no JPEG, or is damaged: {}.", r.error));
  request.check_size(r.jpeg.image_width, r.jpeg.image_height);
  if (!start(r, request.channels == 1 || request.channels == 2)) context.fail(fmt::format("is damaged: {}.", r.error));
  Tensor image = Tensor::empty({r.jpeg.output_height, r.jpeg.output_width, r.jpeg.output_components}, DType::u8);
  if (!read_pixels(r, image.mutable_data<std::uint8_t>())) context.fail(fmt::format("is damaged: {}.", r.error));
  if (r.jpeg.out_color_space == JCS_CMYK) image = from_cmyk(image, r.jpeg.saw_Adobe_marker);
  return with_channels(image, request.channels);
}
#else
Tensor jpeg_pixels(std::string_view, const PixelRequest& request) {
  throw UsageError(request.context.op + ": this build reads no JPEG, libjpeg was not there.");
}
#endif

}  // namespace tapir::detail
