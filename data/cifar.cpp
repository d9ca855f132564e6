// A file is records without a header: the labels, a byte each, then the picture, plane by plane.
#include <tapir/data/cifar.h>
#include <tapir/io/source.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>
#include <unistd.h>

#include <memory>

namespace tapir::data {

using namespace detail;

namespace {

constexpr std::int64_t kPixels = 32 * 32, kChannels = 3;

// What the records of a kind are.
struct Records {
  const char* op;
  int labels;  // of a picture
  int wanted;  // which of them
  int classes;
  std::int64_t bytes() const { return labels + kChannels * kPixels; }
};

// The folder itself, or the one within that the archive unpacks to.
std::string find_folder(const char* op, const std::string& folder, const char* within, const char* first) {
  for (auto& candidate : {folder, folder + "/" + within})
    if (::access((candidate + "/" + first).c_str(), F_OK) == 0) return candidate;
  const bool there = ::access(folder.c_str(), F_OK) == 0;
  FileContext{op, folder}.fail(there ? fmt::format("has no {0}, and no {1}/{0}.", first, within)
                                     : fmt::format("no such folder; looked for {} in it.", first));
}

// The pictures of several files, one after the other.
ImageSet read(const Records& records, const std::vector<std::string>& paths) {
  std::vector<std::unique_ptr<InputFile>> files;
  std::int64_t n = 0;
  for (auto& path : paths) {
    const auto& file = *files.emplace_back(std::make_unique<InputFile>(FileContext{records.op, path}));
    if (file.size() == 0 || file.size() % std::uint64_t(records.bytes()) != 0)
      file.context().fail(
          fmt::format("is not such a file: records take {} bytes each, but it has {}.", records.bytes(), file.size()));
    n += std::int64_t(file.size()) / records.bytes();
  }
  ImageSet set{Tensor::empty({n, 32, 32, kChannels}, DType::u8), Tensor::empty({n}, DType::i64)};
  auto* image = set.images.mutable_data<std::uint8_t>();
  auto* label = set.labels.mutable_data<std::int64_t>();
  std::vector<std::uint8_t> record(std::size_t(records.bytes()));
  for (auto& file : files)
    for (std::uint64_t at = 0; at < file->size(); at += record.size(), ++label, image += kChannels * kPixels) {
      file->read_at(at, record.data(), record.size());
      *label = record[std::size_t(records.wanted)];
      if (*label >= records.classes)
        file->context().fail(fmt::format("is damaged: picture {} has label {} of {} classes.", at / record.size(),
                                         *label, records.classes));
      const std::uint8_t* planes = record.data() + records.labels;
      for (std::int64_t p = 0; p < kPixels; ++p)
        for (std::int64_t c = 0; c < kChannels; ++c) image[kChannels * p + c] = planes[kPixels * c + p];
    }
  return set;
}

}  // namespace

TrainTest load_cifar10(const std::string& folder, Where where) {
  CallSite site(where);
  const Records records{"load_cifar10", 1, 0, 10};
  const std::string from = find_folder(records.op, folder, "cifar-10-batches-bin", "data_batch_1.bin");
  std::vector<std::string> train;
  for (int i = 1; i <= 5; ++i) train.push_back(fmt::format("{}/data_batch_{}.bin", from, i));
  return {read(records, train), read(records, {from + "/test_batch.bin"})};
}

TrainTest load_cifar100(const std::string& folder, Cifar100Labels labels, Where where) {
  CallSite site(where);
  const bool fine = labels == Cifar100Labels::fine;
  const Records records{"load_cifar100", 2, fine ? 1 : 0, fine ? 100 : 20};
  const std::string from = find_folder(records.op, folder, "cifar-100-binary", "train.bin");
  return {read(records, {from + "/train.bin"}), read(records, {from + "/test.bin"})};
}

}  // namespace tapir::data
