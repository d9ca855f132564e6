// Event protocol buffers: https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto (event.proto,
// summary.proto). Numbers below are those of their fields.
#include <tapir/graph/concrete.h>
#include <tapir/graph/function.h>
#include <tapir/io/append_file.h>
#include <tapir/io/protobuf.h>
#include <tapir/io/tfrecord.h>
#include <tapir/look/graph_def.h>
#include <tapir/look/pixels.h>
#include <tapir/look/summary.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>

namespace tapir::summary {

using detail::Proto;
using Clock = std::chrono::steady_clock;

namespace {

double wall_time() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Proto event(std::int64_t step) {
  Proto e;
  e.number(1, wall_time());
  if (step != 0) e.integer(2, step);
  return e;
}

void check_tag(const char* op, const std::string& tag) {
  if (tag.empty()) throw UsageError(fmt::format("{}: the tag is empty.", op));
}

// HistogramProto of the finite values.
Proto histogram_of(std::vector<double> values, int buckets) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  Proto h;
  if (values.empty()) return h.number(1, 0.0).number(2, 0.0).number(3, 0.0).number(4, 0.0).number(5, 0.0);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  const double least = *low, most = *high, width = most - least;
  double sum = 0, squares = 0;
  if (!(width > 0)) buckets = 1;
  std::vector<double> limits, counts(std::size_t(buckets), 0);
  for (int k = 1; k <= buckets; ++k) limits.push_back(k == buckets ? most : least + width / buckets * k);
  for (double v : values) {
    sum += v, squares += v * v;
    const double at = width > 0 ? (v - least) / width * buckets : 0;
    ++counts[std::min(std::size_t(at), counts.size() - 1)];
  }
  h.number(1, least).number(2, most).number(3, double(values.size())).number(4, sum).number(5, squares);
  return h.numbers(6, limits).numbers(7, counts);
}

// A string as TensorProto.
Proto string_tensor(const std::string& s) { return Proto().integer(1, 7).message(2, Proto()).text(8, s); }

}  // namespace

struct FileWriter::Impl {
  Impl(detail::FileContext context, const WriterOptions& o)
      : options(o), path(context.path), file(std::in_place, std::move(context)) {}

  // With the lock held.
  void write_queue() {
    if (!queue.empty()) file->append(queue);
    queue.clear();
    queued = 0;
    flushed = Clock::now();
  }
  void add(const char* op, const Proto& e) {
    std::lock_guard lock(mutex);
    if (!file) throw UsageError(fmt::format("{}: the writer of {} is closed.", op, path));
    queue += detail::tfrecord(e.bytes());
    const std::chrono::duration<double> waited = Clock::now() - flushed;
    if (++queued > options.max_queue || waited.count() >= options.flush_seconds) write_queue();
  }
  // One value of a summary.
  void add(const char* op, std::int64_t step, const Proto& value) {
    add(op, event(step).message(5, Proto().message(1, value)));
  }

  const WriterOptions options;
  const std::string path;
  std::mutex mutex;
  std::optional<detail::AppendFile> file;
  std::string queue;
  int queued = 0;
  Clock::time_point flushed = Clock::now();
};

FileWriter::FileWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileWriter::FileWriter(FileWriter&&) noexcept = default;
FileWriter& FileWriter::operator=(FileWriter&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}
FileWriter::~FileWriter() {
  if (!impl_ || !impl_->file) return;
  try {
    impl_->write_queue();
  } catch (const Error& e) {  // nobody to throw to
    fmt::print(stderr, "{}\n", e.what());
  }
}
const std::string& FileWriter::path() const { return impl_->path; }

void FileWriter::flush(Where where) {
  CallSite site(where);
  std::lock_guard lock(impl_->mutex);
  if (impl_->file) impl_->write_queue();
}

void FileWriter::close(Where where) {
  flush(where);
  std::lock_guard lock(impl_->mutex);
  impl_->file.reset();
}

void FileWriter::scalar(const std::string& tag, double value, std::int64_t step, Where where) {
  CallSite site(where);
  check_tag("scalar", tag);
  impl_->add("scalar", step, Proto().text(1, tag).number(2, float(value)));
}

void FileWriter::scalar(const std::string& tag, const Tensor& value, std::int64_t step, Where where) {
  scalar(tag, value.item<double>(where), step, where);
}

void FileWriter::histogram(const std::string& tag, const Tensor& values, std::int64_t step,
                           const HistogramOptions& options, Where where) {
  CallSite site(where);
  check_tag("histogram", tag);
  if (options.buckets < 1)
    throw UsageError(fmt::format("histogram: needs at least 1 bucket, got {}.", options.buckets));
  const Proto h = histogram_of(look::numbers_of("histogram", values), options.buckets);
  impl_->add("histogram", step, Proto().text(1, tag).message(5, h));
}

void FileWriter::image(const std::string& tag, const Tensor& images, std::int64_t step, const ImageOptions& options,
                       Where where) {
  CallSite site(where);
  check_tag("image", tag);
  const look::Pixels p = look::pixels_of("image", images, options.max_outputs);
  for (std::int64_t i = 0; i < p.count; ++i) {
    Proto picture;
    picture.integer(1, p.height).integer(2, p.width).integer(3, p.channels).text(4, p.png(i));
    const std::string name = p.count == 1 ? tag : fmt::format("{}/{}", tag, i);
    impl_->add("image", step, Proto().text(1, name).message(4, picture));
  }
}

void FileWriter::text(const std::string& tag, const std::string& text, std::int64_t step, Where where) {
  CallSite site(where);
  check_tag("text", tag);
  constexpr int class_tensor = 2;
  const Proto metadata = Proto().message(1, Proto().text(1, "text")).integer(4, class_tensor);
  impl_->add("text", step, Proto().text(1, tag).message(9, metadata).message(8, string_tensor(text)));
}

void FileWriter::graph(const std::vector<std::shared_ptr<tapir::graph::Concrete>>& traces, const GraphOptions& options,
                       Where where) {
  CallSite site(where);
  if (traces.empty()) throw UsageError("graph: the function has no trace yet. Call it once, or get_concrete().");
  Proto e = event(0);
  e.text(4, look::graph_def(*traces.front(), options.optimised));
  impl_->add("graph", e);
}

void FileWriter::graph(const detail::ConcreteCore& concrete, const GraphOptions& options, Where where) {
  graph(std::vector{concrete.concrete()}, options, where);
}

FileWriter create_file_writer(const std::string& logdir, const WriterOptions& options, Where where) {
  CallSite site(where);
  detail::make_folders({"create_file_writer", logdir});
  static std::atomic<int> count{0};
  char host[256] = "localhost";
  ::gethostname(host, sizeof host - 1);
  std::string name = fmt::format("{}/events.out.tfevents.{:010}.{}.{}.{}.v2{}", logdir, std::int64_t(wall_time()), host,
                                 ::getpid(), count++, options.filename_suffix);
  auto impl = std::make_unique<FileWriter::Impl>(detail::FileContext{"create_file_writer", std::move(name)}, options);
  impl->add("create_file_writer", event(0).text(3, "brain.Event:2"));
  impl->write_queue();
  return FileWriter(std::move(impl));
}

}  // namespace tapir::summary
