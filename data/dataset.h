// Dataset: a recipe for a stream of elements, each a list of tensors, as tf.data: cut, changed, shuffled, batched, read
// ahead. Making one does nothing; every iteration runs the recipe anew, to the same elements for the same seed.
#pragma once
#include <tapir/tensor/callable.h>
#include <tapir/tensor/tensor.h>

#include <iterator>
#include <memory>
#include <optional>
#include <vector>

namespace tapir::data {

/// What a dataset gives: an example's tensors, say {image, label}.
using Element = std::vector<Tensor>;

struct MapOptions {
  int threads = 1;  ///< run `f` on so many elements at a time; their order stays
};
struct ShuffleOptions {
  std::int64_t seed = -1;  ///< -1: drawn once from the global generator
  bool reshuffle_each_iteration = true;
};
struct BatchOptions {
  bool drop_remainder = false;  ///< leave out a last batch that is smaller
};
struct PaddedBatchOptions {
  double value = 0;
  bool drop_remainder = false;
};
struct InterleaveOptions {
  int cycle_length = 2;           ///< so many datasets are open at a time
  std::int64_t block_length = 1;  ///< elements in a row from each
};
struct IterateOptions {
  std::int64_t epoch = 0;     ///< which order of `shuffle`
  std::int64_t position = 0;  ///< elements to leave out at the start: those that were seen before a break
};

namespace detail {
struct Node;
/// A running iteration.
struct Stream {
  virtual ~Stream() = default;
  virtual std::optional<Element> next() = 0;
  /// Leaves out up to `count` elements; how many there were.
  virtual std::int64_t skip(std::int64_t count);
};
}  // namespace detail

/// One pass over a dataset. To go on later, keep `epoch` and `position()` and give them to Dataset::iterate.
class Iteration {
 public:
  /// The next element; none at the end. Throws what a function of the dataset throws.
  std::optional<Element> next();
  /// How many elements were given, those left out at the start included.
  std::int64_t position() const { return position_; }

 private:
  friend class Dataset;
  Iteration(std::shared_ptr<detail::Stream> stream, std::int64_t position)
      : stream_(std::move(stream)), position_(position) {}
  std::shared_ptr<detail::Stream> stream_;
  std::int64_t position_;
};

/// A recipe for elements that are made as they are asked for; each iteration begins anew.
class Dataset {
 public:
  /// The slices of `tensors` along their first dimension, which must have the same size: element i is {t[i], ...}.
  /// Throws ShapeError, UsageError for an empty list.
  static Dataset from_tensors(const std::vector<Tensor>& tensors, Where where = Where::current());
  /// {0}, {1}, ... {n - 1}: i64 scalars.
  static Dataset range(std::int64_t n, Where where = Where::current());
  /// `start` is called at the start of each iteration and gives a function that gives the elements, none at the end.
  static Dataset from_generator(Callable<Callable<std::optional<Element>()>()> start, Where where = Where::current());
  /// Element i has the tensors of element i of each; ends with the shortest. Throws UsageError for an empty list.
  static Dataset zip(const std::vector<Dataset>& datasets, Where where = Where::current());

  /// f(element) for each. Draw random numbers in `f` from a key made of the element (see enumerate) to get the same
  /// ones for any number of threads. Throws UsageError for a number of threads below 1.
  Dataset map(Callable<Element(const Element&)> f, MapOptions options = {}, Where where = Where::current()) const;
  /// The elements for which `keep` says true.
  Dataset filter(Callable<bool(const Element&)> keep, Where where = Where::current()) const;
  /// In another order: the next element is one of `buffer` that were read, by chance. A buffer of the dataset's size
  /// shuffles it perfectly. Throws UsageError for a buffer below 1.
  Dataset shuffle(std::int64_t buffer, ShuffleOptions options = {}, Where where = Where::current()) const;
  /// `size` elements stacked: tensors [size, ...]. Throws UsageError for a size below 1; iterating throws ShapeError if
  /// shapes differ.
  Dataset batch(std::int64_t size, BatchOptions options = {}, Where where = Where::current()) const;
  /// As batch, with each tensor filled up at its ends to the largest of the batch.
  Dataset padded_batch(std::int64_t size, PaddedBatchOptions options = {}, Where where = Where::current()) const;
  /// The inverse of batch.
  Dataset unbatch() const;
  /// `count` times one after the other, each in another order if it is shuffled; -1: without end.
  Dataset repeat(std::int64_t count = -1, Where where = Where::current()) const;
  /// The first `count`.
  Dataset take(std::int64_t count, Where where = Where::current()) const;
  /// All but the first `count`.
  Dataset skip(std::int64_t count, Where where = Where::current()) const;
  /// Elements index, index + shards, ...: what one of several processes reads. Throws UsageError.
  Dataset shard(std::int64_t shards, std::int64_t index, Where where = Where::current()) const;
  /// The elements of this one, then those of `other`.
  Dataset concatenate(const Dataset& other) const;
  /// {i, tensors...}: the number of the element first, an i64 scalar.
  Dataset enumerate() const;
  /// Keeps the elements in memory once an iteration has come to the end.
  Dataset cache() const;
  /// Up to `count` elements are made ahead by a thread of their own. Throws UsageError below 1.
  Dataset prefetch(std::int64_t count, Where where = Where::current()) const;
  /// f(element) is a dataset; their elements in turns.
  Dataset interleave(Callable<Dataset(const Element&)> f, InterleaveOptions options = {},
                     Where where = Where::current()) const;

  /// How many elements there are; -1 if only an iteration can tell, -2 without end.
  std::int64_t cardinality() const;
  /// A pass over it.
  Iteration iterate(IterateOptions options = {}, Where where = Where::current()) const;
  /// All elements of a pass, each of its tensors stacked: what `fit` takes. Throws UsageError if there is no end or no
  /// element.
  Element stacked(Where where = Where::current()) const;

  /// `for (const data::Element& e : dataset)`: each loop is a pass, of epoch 0.
  class Iterator {
   public:
    using value_type = Element;
    using difference_type = std::ptrdiff_t;
    const Element& operator*() const { return *element_; }
    Iterator& operator++() {
      element_ = iteration_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !element_; }

   private:
    friend class Dataset;
    explicit Iterator(Iteration i) : iteration_(std::move(i)), element_(iteration_->next()) {}
    std::optional<Iteration> iteration_;
    std::optional<Element> element_;
  };
  Iterator begin() const { return Iterator(iterate()); }
  std::default_sentinel_t end() const { return {}; }

 private:
  explicit Dataset(std::shared_ptr<const detail::Node> node) : node_(std::move(node)) {}
  std::shared_ptr<const detail::Node> node_;
  friend struct detail::Node;
};

}  // namespace tapir::data
