// A Dataset is a chain of nodes; an iteration is a chain of streams that pull from each other. Whatever can leave out
// elements without making them does, so that going on after a break costs little.
#include <tapir/data/dataset.h>
#include <tapir/data/worker_threads.h>
#include <tapir/ops/create.h>
#include <tapir/ops/index.h>
#include <tapir/ops/joining.h>
#include <tapir/ops/padding.h>
#include <tapir/ops/random.h>
#include <tapir/tensor/error.h>

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <random>

namespace tapir::data {

using detail::Stream;

std::int64_t Stream::skip(std::int64_t count) {
  std::int64_t done = 0;
  while (done < count && next()) ++done;
  return done;
}

struct detail::Node {
  using Start = std::function<std::unique_ptr<Stream>(std::int64_t epoch)>;
  Start start;
  std::int64_t cardinality;
  static Dataset dataset(std::int64_t cardinality, Start start) {
    return Dataset(std::make_shared<const Node>(Node{std::move(start), cardinality}));
  }
};

namespace {

using detail::Node;
using Source = std::unique_ptr<Stream>;
using NodePtr = std::shared_ptr<const Node>;
constexpr std::int64_t kUnknown = -1, kEndless = -2;

void check_at_least(const char* op, const char* name, std::int64_t value, std::int64_t least) {
  if (value < least) throw UsageError(fmt::format("{}: {} must be at least {}, got {}.", op, name, least, value));
}

// What most streams are: something made of a source.
struct Through : Stream {
  Source source;
  explicit Through(Source s) : source(std::move(s)) {}
};

struct Slices : Stream {
  std::vector<Tensor> tensors;
  std::int64_t i = 0;
  explicit Slices(std::vector<Tensor> t) : tensors(std::move(t)) {}
  std::optional<Element> next() override {
    if (i == tensors[0].shape()[0]) return {};
    Element e;
    for (auto& t : tensors) e.push_back(t[i]);
    ++i;
    return e;
  }
  std::int64_t skip(std::int64_t count) override {
    const std::int64_t n = std::min(count, tensors[0].shape()[0] - i);
    i += n;
    return n;
  }
};

struct Range : Stream {
  std::int64_t n, i = 0;
  explicit Range(std::int64_t count) : n(count) {}
  std::optional<Element> next() override {
    if (i == n) return {};
    return Element{constant(i++, DType::i64)};
  }
  std::int64_t skip(std::int64_t count) override {
    const std::int64_t done = std::min(count, n - i);
    i += done;
    return done;
  }
};

struct Generated : Stream {
  Callable<std::optional<Element>()> f;
  explicit Generated(Callable<std::optional<Element>()> g) : f(std::move(g)) {}
  std::optional<Element> next() override { return f(); }
};

struct Zip : Stream {
  std::vector<Source> sources;
  std::optional<Element> next() override {
    Element all;
    for (auto& s : sources) {
      auto e = s->next();
      if (!e) return {};
      all.insert(all.end(), e->begin(), e->end());
    }
    return all;
  }
  std::int64_t skip(std::int64_t count) override {
    std::int64_t least = count;
    for (auto& s : sources) least = std::min(least, s->skip(count));
    return least;
  }
};

struct Map : Through {
  Callable<Element(const Element&)> f;
  Map(Source s, Callable<Element(const Element&)> g) : Through(std::move(s)), f(std::move(g)) {}
  std::optional<Element> next() override {
    auto e = source->next();
    if (e) e = f(*e);
    return e;
  }
  std::int64_t skip(std::int64_t count) override { return source->skip(count); }
};

struct ParallelMap : Through {
  WorkerThreads workers;
  ParallelMap(Source s, Callable<Element(const Element&)> f, int threads)
      : Through(std::move(s)), workers(threads, 2 * std::size_t(threads), [this, f] { return job(f); }) {}
  std::optional<Element> next() override { return workers.next(); }
  // Called by one worker at a time: what is to be done for the next element.
  WorkerThreads::Job job(const Callable<Element(const Element&)>& f) {
    auto e = source->next();
    if (!e) return {};
    return [e = std::move(*e), f] { return f(e); };
  }
};

struct Prefetch : Through {
  WorkerThreads workers;
  Prefetch(Source s, std::int64_t count)
      : Through(std::move(s)), workers(1, std::size_t(count), [this]() -> WorkerThreads::Job {
          auto e = source->next();
          if (!e) return {};
          return [e = std::move(*e)] { return e; };
        }) {}
  std::optional<Element> next() override { return workers.next(); }
};

struct Filter : Through {
  Callable<bool(const Element&)> keep;
  Filter(Source s, Callable<bool(const Element&)> k) : Through(std::move(s)), keep(std::move(k)) {}
  std::optional<Element> next() override {
    auto e = source->next();
    while (e && !keep(*e)) e = source->next();
    return e;
  }
};

struct Shuffle : Through {
  std::mt19937_64 draw;
  std::size_t size;
  std::vector<Element> buffer;
  Shuffle(Source s, std::size_t n, std::uint64_t seed, std::uint64_t epoch)
      : Through(std::move(s)), draw(seed * 0x9e3779b97f4a7c15 + epoch), size(n) {}
  std::optional<Element> next() override {
    while (buffer.size() < size) {
      auto e = source->next();
      if (!e) {
        size = 0;  // no more come
        break;
      }
      buffer.push_back(std::move(*e));
    }
    if (buffer.empty()) return {};
    // as Lemire: no division, the same on every machine
    const auto i = std::size_t((static_cast<unsigned __int128>(draw()) * buffer.size()) >> 64);
    std::swap(buffer[i], buffer.back());
    Element e = std::move(buffer.back());
    buffer.pop_back();
    return e;
  }
};

Tensor joined(const char* op, std::vector<Tensor>& parts, std::size_t component) {
  for (auto& p : parts)
    if (!(p.shape() == parts[0].shape()) || p.dtype() != parts[0].dtype())
      throw ShapeError(fmt::format(
          "{}: tensor {} of the elements is {} {} and {} {}. padded_batch() takes shapes that "
          "differ.",
          op, component, name_of(parts[0].dtype()), parts[0].shape().str(), name_of(p.dtype()), p.shape().str()));
  return stack(parts);
}

// Filled up at the ends to the largest.
void fill_up(std::vector<Tensor>& parts, double value) {
  Shape largest = parts[0].shape();
  for (auto& p : parts) {
    if (p.rank() != largest.rank())
      throw ShapeError(fmt::format("padded_batch: ranks differ, {} and {}.", largest.str(), p.shape().str()));
    for (int i = 0; i < largest.rank(); ++i) largest[i] = std::max(largest[i], p.shape()[i]);
  }
  for (auto& p : parts) {
    Paddings widths;
    for (int i = 0; i < largest.rank(); ++i) widths.emplace_back(0, largest[i] - p.shape()[i]);
    if (!(p.shape() == largest)) p = pad(p, widths, {.value = value});
  }
}

struct Batch : Through {
  std::int64_t size;
  bool drop;
  std::optional<double> padding;
  Batch(Source s, std::int64_t n, bool d, std::optional<double> p)
      : Through(std::move(s)), size(n), drop(d), padding(p) {}
  std::optional<Element> next() override {
    std::vector<std::vector<Tensor>> parts;  // of each component
    std::int64_t n = 0;
    for (; n < size; ++n) {
      auto e = source->next();
      if (!e) break;
      if (n == 0) parts.resize(e->size());
      if (e->size() != parts.size())
        throw UsageError(fmt::format("batch: elements of {} and of {} tensors.", parts.size(), e->size()));
      for (std::size_t i = 0; i < parts.size(); ++i) parts[i].push_back((*e)[i]);
    }
    if (n == 0 || (drop && n < size)) return {};
    Element out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (padding) fill_up(parts[i], *padding);
      out.push_back(joined(padding ? "padded_batch" : "batch", parts[i], i));
    }
    return out;
  }
  std::int64_t skip(std::int64_t count) override {
    const std::int64_t n = source->skip(count > INT64_MAX / size ? INT64_MAX : count * size);
    return drop ? n / size : n / size + (n % size != 0);
  }
};

struct Unbatch : Through {
  using Through::Through;
  Slices slices{std::vector<Tensor>{zeros({0})}};
  std::optional<Element> next() override {
    for (;;) {
      if (auto e = slices.next()) return e;
      auto batch = source->next();
      if (!batch) return {};
      for (auto& t : *batch)
        if (t.rank() == 0 || t.shape()[0] != (*batch)[0].shape()[0])
          throw ShapeError(
              fmt::format("unbatch: first sizes differ, {} and {}.", (*batch)[0].shape().str(), t.shape().str()));
      slices = Slices(std::move(*batch));
    }
  }
};

struct Repeat : Stream {
  NodePtr node;
  std::int64_t left, epoch;  // left: -1 without end
  Source source;
  bool any = false;  // has this round given anything? An empty dataset ends even without end
  Repeat(NodePtr n, std::int64_t count, std::int64_t e) : node(std::move(n)), left(count), epoch(e) {}
  std::optional<Element> next() override {
    for (;;) {
      if (!source && !begin()) return {};
      if (auto e = source->next()) {
        any = true;
        return e;
      }
      source = nullptr;
      if (!any) return {};
    }
  }
  std::int64_t skip(std::int64_t count) override {
    std::int64_t done = 0;
    while (done < count) {
      if (!source && !begin()) break;
      const std::int64_t n = source->skip(count - done);
      done += n;
      any |= n > 0;
      if (done == count) break;
      source = nullptr;
      if (!any) break;
    }
    return done;
  }
  bool begin() {
    if (left == 0) return false;
    if (left > 0) --left;
    any = false;
    source = node->start(epoch++);
    return true;
  }
};

struct Take : Through {
  std::int64_t left;
  Take(Source s, std::int64_t n) : Through(std::move(s)), left(n) {}
  std::optional<Element> next() override {
    if (left == 0) return {};
    --left;
    return source->next();
  }
  std::int64_t skip(std::int64_t count) override {
    const std::int64_t n = source->skip(std::min(count, left));
    left -= n;
    return n;
  }
};

struct Shard : Through {
  std::int64_t first, between;
  Shard(Source s, std::int64_t shards, std::int64_t index) : Through(std::move(s)), first(index), between(shards - 1) {}
  std::optional<Element> next() override {
    const std::int64_t leave = std::exchange(first, between);
    if (leave > 0 && source->skip(leave) < leave) return {};
    return source->next();
  }
};

struct Concatenate : Stream {
  std::vector<Source> sources;
  std::size_t at = 0;
  std::optional<Element> next() override {
    for (; at < sources.size(); ++at)
      if (auto e = sources[at]->next()) return e;
    return {};
  }
  std::int64_t skip(std::int64_t count) override {
    std::int64_t done = 0;
    for (; at < sources.size(); ++at) {
      done += sources[at]->skip(count - done);
      if (done == count) break;
    }
    return done;
  }
};

struct Enumerate : Through {
  using Through::Through;
  std::int64_t i = 0;
  std::optional<Element> next() override {
    auto e = source->next();
    if (e) e->insert(e->begin(), constant(i++, DType::i64));
    return e;
  }
  std::int64_t skip(std::int64_t count) override {
    const std::int64_t n = source->skip(count);
    i += n;
    return n;
  }
};

// What an iteration that came to its end has kept for all that follow.
struct Kept {
  std::mutex mutex;
  std::shared_ptr<const std::vector<Element>> elements;
  std::shared_ptr<const std::vector<Element>> get() {
    std::lock_guard lock(mutex);
    return elements;
  }
};
struct Cache : Through {
  std::shared_ptr<Kept> kept;
  std::vector<Element> seen;
  Cache(Source s, std::shared_ptr<Kept> k) : Through(std::move(s)), kept(std::move(k)) {}
  std::optional<Element> next() override {
    auto e = source->next();
    if (e) {
      seen.push_back(*e);
    } else if (!kept->get()) {
      std::lock_guard lock(kept->mutex);
      kept->elements = std::make_shared<const std::vector<Element>>(std::move(seen));
    }
    return e;
  }
};
struct FromMemory : Stream {
  std::shared_ptr<const std::vector<Element>> elements;
  std::size_t i = 0;
  explicit FromMemory(std::shared_ptr<const std::vector<Element>> e) : elements(std::move(e)) {}
  std::optional<Element> next() override {
    if (i == elements->size()) return {};
    return (*elements)[i++];
  }
  std::int64_t skip(std::int64_t count) override {
    const auto n = std::min<std::int64_t>(count, std::int64_t(elements->size() - i));
    i += std::size_t(n);
    return n;
  }
};

struct Interleave : Through {
  Callable<Dataset(const Element&)> f;
  InterleaveOptions options;
  std::int64_t epoch;
  std::vector<std::optional<Iteration>> open;
  std::size_t at = 0;
  std::int64_t in_block = 0;
  Interleave(Source s, Callable<Dataset(const Element&)> g, InterleaveOptions o, std::int64_t e)
      : Through(std::move(s)), f(std::move(g)), options(o), epoch(e), open(std::size_t(o.cycle_length)) {}
  std::optional<Element> next() override {
    for (std::size_t empty = 0; empty < open.size();) {
      auto& slot = open[at];
      if (!slot)
        if (auto e = source->next()) slot = f(*e).iterate({.epoch = epoch});
      if (slot) {
        empty = 0;
        if (auto e = slot->next()) {
          if (++in_block == options.block_length) turn();
          return e;
        }
        slot.reset();  // the next dataset takes its place, in the next round
        turn();
        continue;
      }
      ++empty;
      turn();
    }
    return {};
  }
  void turn() { at = (at + 1) % open.size(), in_block = 0; }
};

}  // namespace

Dataset Dataset::from_tensors(const std::vector<Tensor>& tensors, Where where) {
  CallSite site(where);
  if (tensors.empty()) throw UsageError("from_tensors: needs at least one tensor.");
  for (auto& t : tensors)
    if (t.rank() == 0 || t.shape()[0] != tensors[0].shape()[0])
      throw ShapeError(fmt::format("from_tensors: tensors must have the same first size, got {} and {}.",
                                   tensors[0].shape().str(), t.shape().str()));
  return Node::dataset(tensors[0].shape()[0], [tensors](std::int64_t) { return std::make_unique<Slices>(tensors); });
}

Dataset Dataset::range(std::int64_t n, Where where) {
  CallSite site(where);
  check_at_least("range", "n", n, 0);
  return Node::dataset(n, [n](std::int64_t) { return std::make_unique<Range>(n); });
}

Dataset Dataset::from_generator(Callable<Callable<std::optional<Element>()>()> start, Where where) {
  CallSite site(where);
  if (!start) throw UsageError("from_generator: needs a function.");
  return Node::dataset(kUnknown, [start](std::int64_t) { return std::make_unique<Generated>(start()); });
}

Dataset Dataset::zip(const std::vector<Dataset>& datasets, Where where) {
  CallSite site(where);
  if (datasets.empty()) throw UsageError("zip: needs at least one dataset.");
  std::int64_t least = kEndless;
  for (auto& d : datasets) {
    const std::int64_t n = d.cardinality();
    if (n == kUnknown || least == kUnknown) least = kUnknown;
    else if (n != kEndless) least = least == kEndless ? n : std::min(least, n);
  }
  return Node::dataset(least, [datasets](std::int64_t epoch) {
    auto z = std::make_unique<Zip>();
    for (auto& d : datasets) z->sources.push_back(d.node_->start(epoch));
    return z;
  });
}

Dataset Dataset::map(Callable<Element(const Element&)> f, MapOptions o, Where where) const {
  CallSite site(where);
  if (!f) throw UsageError("map: needs a function.");
  check_at_least("map", "threads", o.threads, 1);
  return Node::dataset(cardinality(), [node = node_, f, o](std::int64_t epoch) -> Source {
    if (o.threads == 1) return std::make_unique<Map>(node->start(epoch), f);
    return std::make_unique<ParallelMap>(node->start(epoch), f, o.threads);
  });
}

Dataset Dataset::filter(Callable<bool(const Element&)> keep, Where where) const {
  CallSite site(where);
  if (!keep) throw UsageError("filter: needs a function.");
  return Node::dataset(cardinality() == kEndless ? kEndless : kUnknown, [node = node_, keep](std::int64_t epoch) {
    return std::make_unique<Filter>(node->start(epoch), keep);
  });
}

Dataset Dataset::shuffle(std::int64_t buffer, ShuffleOptions o, Where where) const {
  CallSite site(where);
  check_at_least("shuffle", "buffer", buffer, 1);
  const auto seed =
      std::uint64_t(o.seed == -1 ? random::uniform({}, {.dtype = DType::f64}).item<double>() * 0x1p53 : double(o.seed));
  return Node::dataset(cardinality(), [node = node_, buffer, seed, o](std::int64_t epoch) {
    const std::int64_t order = o.reshuffle_each_iteration ? epoch : 0;
    return std::make_unique<Shuffle>(node->start(epoch), std::size_t(buffer), seed, std::uint64_t(order));
  });
}

Dataset Dataset::batch(std::int64_t size, BatchOptions o, Where where) const {
  CallSite site(where);
  check_at_least("batch", "size", size, 1);
  const std::int64_t n = cardinality();
  return Node::dataset(n < 0 ? n : n / size + (!o.drop_remainder && n % size), [node = node_, size, o](std::int64_t e) {
    return std::make_unique<Batch>(node->start(e), size, o.drop_remainder, std::nullopt);
  });
}

Dataset Dataset::padded_batch(std::int64_t size, PaddedBatchOptions o, Where where) const {
  CallSite site(where);
  check_at_least("padded_batch", "size", size, 1);
  const std::int64_t n = cardinality();
  return Node::dataset(n < 0 ? n : n / size + (!o.drop_remainder && n % size), [node = node_, size, o](std::int64_t e) {
    return std::make_unique<Batch>(node->start(e), size, o.drop_remainder, o.value);
  });
}

Dataset Dataset::unbatch() const {
  return Node::dataset(cardinality() == kEndless ? kEndless : kUnknown,
                       [node = node_](std::int64_t e) { return std::make_unique<Unbatch>(node->start(e)); });
}

Dataset Dataset::repeat(std::int64_t count, Where where) const {
  CallSite site(where);
  check_at_least("repeat", "count", count, -1);
  const std::int64_t n = cardinality(), all = count == 0 || n == 0 ? 0 : count == -1 ? kEndless : n < 0 ? n : n * count;
  return Node::dataset(all, [node = node_, count](std::int64_t epoch) {
    return std::make_unique<Repeat>(node, count, count > 0 ? epoch * count : epoch);
  });
}

Dataset Dataset::take(std::int64_t count, Where where) const {
  CallSite site(where);
  check_at_least("take", "count", count, 0);
  const std::int64_t n = cardinality();
  return Node::dataset(n == kUnknown   ? n
                       : n == kEndless ? count
                                       : std::min(n, count),
                       [node = node_, count](auto e) { return std::make_unique<Take>(node->start(e), count); });
}

Dataset Dataset::skip(std::int64_t count, Where where) const {
  CallSite site(where);
  check_at_least("skip", "count", count, 0);
  const std::int64_t n = cardinality();
  return Node::dataset(n < 0 ? n : std::max<std::int64_t>(0, n - count), [node = node_, count](std::int64_t epoch) {
    Source s = node->start(epoch);
    s->skip(count);
    return s;
  });
}

Dataset Dataset::shard(std::int64_t shards, std::int64_t index, Where where) const {
  CallSite site(where);
  check_at_least("shard", "shards", shards, 1);
  if (index < 0 || index >= shards)
    throw UsageError(fmt::format("shard: index must be in [0, {}), got {}.", shards, index));
  const std::int64_t n = cardinality();
  return Node::dataset(n < 0 ? n : (n - index + shards - 1) / shards, [node = node_, shards, index](std::int64_t e) {
    return std::make_unique<Shard>(node->start(e), shards, index);
  });
}

Dataset Dataset::concatenate(const Dataset& other) const {
  const std::int64_t a = cardinality(), b = other.cardinality();
  const std::int64_t both = a == kEndless || b == kEndless ? kEndless : a < 0 || b < 0 ? kUnknown : a + b;
  return Node::dataset(both, [first = node_, second = other.node_](std::int64_t epoch) {
    auto c = std::make_unique<Concatenate>();
    c->sources.push_back(first->start(epoch));
    c->sources.push_back(second->start(epoch));
    return c;
  });
}

Dataset Dataset::enumerate() const {
  return Node::dataset(cardinality(),
                       [node = node_](std::int64_t e) { return std::make_unique<Enumerate>(node->start(e)); });
}

Dataset Dataset::cache() const {
  return Node::dataset(cardinality(), [node = node_, kept = std::make_shared<Kept>()](std::int64_t epoch) -> Source {
    if (auto elements = kept->get()) return std::make_unique<FromMemory>(elements);
    return std::make_unique<Cache>(node->start(epoch), kept);
  });
}

Dataset Dataset::prefetch(std::int64_t count, Where where) const {
  CallSite site(where);
  check_at_least("prefetch", "count", count, 1);
  return Node::dataset(cardinality(), [node = node_, count](std::int64_t e) {
    return std::make_unique<Prefetch>(node->start(e), count);
  });
}

Dataset Dataset::interleave(Callable<Dataset(const Element&)> f, InterleaveOptions o, Where where) const {
  CallSite site(where);
  if (!f) throw UsageError("interleave: needs a function.");
  check_at_least("interleave", "cycle_length", o.cycle_length, 1);
  check_at_least("interleave", "block_length", o.block_length, 1);
  return Node::dataset(kUnknown, [node = node_, f, o](std::int64_t epoch) {
    return std::make_unique<Interleave>(node->start(epoch), f, o, epoch);
  });
}

std::int64_t Dataset::cardinality() const { return node_->cardinality; }

Iteration Dataset::iterate(IterateOptions o, Where where) const {
  CallSite site(where);
  check_at_least("iterate", "epoch", o.epoch, 0);
  check_at_least("iterate", "position", o.position, 0);
  std::shared_ptr<Stream> stream = node_->start(o.epoch);
  return {stream, stream->skip(o.position)};
}

Element Dataset::stacked(Where where) const {
  CallSite site(where);
  if (cardinality() == kEndless) throw UsageError("stacked: the dataset has no end; take(n) has.");
  std::vector<std::vector<Tensor>> parts;
  for (const Element& e : *this) {
    parts.resize(e.size());
    for (std::size_t i = 0; i < e.size(); ++i) parts[i].push_back(e[i]);
  }
  if (parts.empty()) throw UsageError("stacked: the dataset is empty.");
  Element out;
  for (std::size_t i = 0; i < parts.size(); ++i) out.push_back(joined("stacked", parts[i], i));
  return out;
}

std::optional<Element> Iteration::next() {
  auto e = stream_->next();
  if (e) ++position_;
  return e;
}

}  // namespace tapir::data
