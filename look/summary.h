// Event files that TensorBoard reads: numbers, pictures, histograms, text and graphs over the steps of a training.
#pragma once
#include <tapir/tensor/tensor.h>

#include <memory>
#include <string>
#include <vector>

namespace tapir {

namespace graph {
class Concrete;
}
namespace detail {
class ConcreteCore;
}
template <class F>
class Function;

namespace summary {

struct WriterOptions {
  int max_queue = 10;          ///< as many events wait in memory at most; 0: each is written at once
  double flush_seconds = 120;  ///< nor longer than this, when another one comes
  std::string filename_suffix = "";
};
struct HistogramOptions {
  int buckets = 30;  ///< of equal width, from the smallest value to the largest
};
struct ImageOptions {
  std::int64_t max_outputs = 3;  ///< of the pictures in the tensor, as many
};
struct GraphOptions {
  bool optimised = false;  ///< as it runs, with what was fused; else as it was traced
};

/// Appends to one event file. What was flushed can be read at once, and stays if the process dies; the destructor
/// flushes. Threads may share a writer. Tags with a slash are shown in groups: "train/loss".
///
/// Each method throws UsageError if the tag is empty, the writer closed or a value still being traced, and FileError if
/// the file cannot be written.
class FileWriter {
 public:
  FileWriter(FileWriter&&) noexcept;
  FileWriter& operator=(FileWriter&&) noexcept;
  ~FileWriter();

  /// A number, as f32.
  void scalar(const std::string& tag, double value, std::int64_t step, Where where = Where::current());
  /// The only element of a tensor.
  void scalar(const std::string& tag, const Tensor& value, std::int64_t step, Where where = Where::current());
  /// How values of any shape and dtype are spread. Those that are not finite are left out.
  void histogram(const std::string& tag, const Tensor& values, std::int64_t step, const HistogramOptions& options = {},
                 Where where = Where::current());
  /// Pictures [N, H, W, C], C from 1 (grey) to 4 (RGB, alpha): u8, bool, or floating from 0 to 1. Several have tags of
  /// their own, "tag/0", "tag/1", ... Throws ShapeError, DTypeError.
  void image(const std::string& tag, const Tensor& images, std::int64_t step, const ImageOptions& options = {},
             Where where = Where::current());
  /// Markdown.
  void text(const std::string& tag, const std::string& text, std::int64_t step, Where where = Where::current());
  /// The newest trace of a function(), for the Graphs tab: nodes by the lines of the program, variables by their names.
  /// Throws UsageError if it has no trace yet.
  template <class F>
  void graph(const Function<F>& function, const GraphOptions& options = {}, Where where = Where::current()) {
    graph(function.core().concretes(), options, where);
  }
  /// One trace of a function: what get_concrete() and load_function() give.
  void graph(const detail::ConcreteCore& concrete, const GraphOptions& options = {}, Where where = Where::current());

  /// Writes what waits in memory.
  void flush(Where where = Where::current());
  /// Flushes, and ends the file.
  void close(Where where = Where::current());
  const std::string& path() const;

 private:
  friend FileWriter create_file_writer(const std::string&, const WriterOptions&, Where);
  struct Impl;
  explicit FileWriter(std::unique_ptr<Impl> impl);
  void graph(const std::vector<std::shared_ptr<tapir::graph::Concrete>>& traces, const GraphOptions& options,
             Where where);
  std::unique_ptr<Impl> impl_;
};

/// A writer of a new file in folder `logdir`, which is made if it is not there. Each run wants a folder of its own:
/// `tensorboard --logdir logs` shows logs/a and logs/b side by side. Throws FileError.
FileWriter create_file_writer(const std::string& logdir, const WriterOptions& options = {},
                              Where where = Where::current());

}  // namespace summary
}  // namespace tapir
