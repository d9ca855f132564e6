// Pictures: PNG and JPEG files as tensors, and folders of them as a dataset.
#pragma once
#include <tapir/data/dataset.h>
#include <tapir/ops/resize.h>

#include <string>
#include <string_view>

namespace tapir::formats {

struct ImageOptions {
  int channels = 3;                       ///< 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; 0: what the file has
  std::int64_t max_pixels = 100'000'000;  ///< more are refused before memory is taken for them
};

/// A PNG file in memory as u8 [height, width, channels]. Palettes become colours, 16 bits a channel their upper 8;
/// alpha is dropped or 255, grey is (299 R + 587 G + 114 B) / 1000. Throws FileError if it is none, is damaged, or is
/// larger than max_pixels; UsageError, also if libpng was not there when this library was built.
Tensor decode_png(std::string_view bytes, const ImageOptions& options = {}, Where where = Where::current());
/// The same of a JPEG file, grey, RGB or CMYK, baseline or progressive. Grey of a colour picture is its luma. What
/// cameras say on which side is up is not looked at. Throws as decode_png.
Tensor decode_jpeg(std::string_view bytes, const ImageOptions& options = {}, Where where = Where::current());
/// One or the other, as the first bytes say.
Tensor decode_image(std::string_view bytes, const ImageOptions& options = {}, Where where = Where::current());

struct LoadImageOptions {
  int channels = 3;
  Shape size = {};  ///< {height, width}: resized to it, f32 from 0 to 255; empty: u8 as it is
  ResizeMethod method = ResizeMethod::bilinear;
  std::int64_t max_pixels = 100'000'000;
};
/// Reads a PNG or JPEG file as [height, width, channels]. Throws FileError, UsageError.
Tensor load_image(const std::string& path, const LoadImageOptions& options = {}, Where where = Where::current());

/// Writes u8 [height, width, 1 to 4] or [height, width] as a PNG file, which appears whole or not at all. Throws
/// DTypeError, ShapeError, FileError.
void save_png(const std::string& path, const Tensor& image, Where where = Where::current());

struct ImageFolderOptions {
  Shape size = {256, 256};  ///< {height, width}
  int channels = 3;
  std::int64_t batch_size = 32;
  bool shuffle = true;          ///< in each epoch another order
  std::int64_t seed = -1;       ///< of the order; -1: drawn once from the global generator
  double validation_split = 0;  ///< this part of the pictures, chosen by the seed, is `validation` instead
  int threads = 1;              ///< so many pictures are read at a time
  ResizeMethod method = ResizeMethod::bilinear;
  std::int64_t max_pixels = 100'000'000;
};
/// Pictures in folders that say what they show.
struct ImageFolder {
  data::Dataset dataset;                 ///< batches {f32 [n, height, width, channels] from 0 to 255, i64 [n]}
  data::Dataset validation;              ///< the same of the other part, never shuffled
  std::vector<std::string> class_names;  ///< the folders, sorted: label i is the i-th
};

/// The pictures (.png, .jpg, .jpeg) in the folders that `folder` has, and in theirs; as Keras's
/// image_dataset_from_directory. A picture is read when its batch is asked for, which throws FileError if it is
/// damaged. Throws FileError if there are no folders or no pictures, UsageError.
ImageFolder image_folder(const std::string& folder, const ImageFolderOptions& options = {},
                         Where where = Where::current());

}  // namespace tapir::formats
