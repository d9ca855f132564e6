#include <doctest/doctest.h>
#include <tapir/tapir.h>
#include <tapir/test/ops/golden.h>

#include <set>
#include <thread>

using namespace tapir;
using data::Dataset;
using data::Element;
using golden::check_error;

namespace {

// The first tensor of each element: integers.
std::vector<std::int64_t> numbers(data::Iteration i) {
  std::vector<std::int64_t> out;
  while (auto e = i.next()) out.push_back((*e)[0].item<std::int64_t>());
  return out;
}
std::vector<std::int64_t> numbers(const Dataset& d, data::IterateOptions o = {}) { return numbers(d.iterate(o)); }
using Numbers = std::vector<std::int64_t>;

Numbers upto(std::int64_t n) {
  Numbers out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(i);
  return out;
}
Element times_ten(const Element& e) { return {e[0] * 10}; }

}  // namespace

TEST_CASE("slices, batches and their remainders") {
  const Dataset d = Dataset::from_tensors({reshape(arange(10), {5, 2}), arange(5) * 1.5});
  CHECK(d.cardinality() == 5);
  std::int64_t count = 0;
  for (const Element& e : d.batch(2)) {
    CHECK(e.size() == 2);
    const std::int64_t n = count < 2 ? 2 : 1;
    CHECK(e[0].shape() == Shape{n, 2});
    CHECK(array_equal(e[0], reshape(arange(10), {5, 2})(Slice(2 * count, 2 * count + n))));
    ++count;
  }
  CHECK(count == 3);
  CHECK(d.batch(2).cardinality() == 3);
  CHECK(d.batch(2, {.drop_remainder = true}).cardinality() == 2);
  CHECK(array_equal(d.stacked()[0], reshape(arange(10), {5, 2})));
  CHECK(array_equal(d.batch(2).unbatch().stacked()[1], arange(5) * 1.5));
}

TEST_CASE("what each stage does") {
  const Dataset d = Dataset::range(7);
  CHECK(numbers(d) == upto(7));
  CHECK(numbers(d.map(times_ten)) == Numbers{0, 10, 20, 30, 40, 50, 60});
  CHECK(numbers(d.filter([](const Element& e) { return e[0].item<std::int64_t>() % 3 == 0; })) == Numbers{0, 3, 6});
  CHECK(numbers(d.take(3)) == upto(3));
  CHECK(numbers(d.take(30)) == upto(7));
  CHECK(numbers(d.skip(5)) == Numbers{5, 6});
  CHECK(numbers(d.skip(9)).empty());
  CHECK(numbers(d.shard(3, 1)) == Numbers{1, 4});
  CHECK(d.shard(3, 1).cardinality() == 2);
  CHECK(numbers(d.repeat(2)) == Numbers{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6});
  CHECK(numbers(d.repeat().take(9)) == Numbers{0, 1, 2, 3, 4, 5, 6, 0, 1});
  CHECK(d.repeat().cardinality() == -2);
  CHECK(numbers(Dataset::range(0).repeat()).empty());  // and ends
  CHECK(numbers(d.take(2).concatenate(d.skip(6))) == Numbers{0, 1, 6});
  CHECK(numbers(d.prefetch(2)) == upto(7));
  CHECK((*d.skip(2).enumerate().iterate().next())[1].item<std::int64_t>() == 2);
  const Element both = *Dataset::zip({d, d.map(times_ten)}).skip(3).iterate().next();
  CHECK(both[1].item<std::int64_t>() == 30);
  CHECK(Dataset::zip({d, d.take(2)}).cardinality() == 2);
  // three datasets of i, i, i + 10, two at a time, in blocks of two
  const auto rows = [](const Element& e) {
    const std::int64_t i = e[0].item<std::int64_t>();
    return Dataset::range(3).map([i](const Element& k) { return Element{k[0] + 10 * i}; });
  };
  CHECK(numbers(Dataset::range(3).interleave(rows, {.cycle_length = 2, .block_length = 2})) ==
        Numbers{0, 1, 10, 11, 2, 12, 20, 21, 22});
}

TEST_CASE("generators start anew") {
  int starts = 0;
  const Dataset d = Dataset::from_generator([&starts]() -> Callable<std::optional<Element>()> {
    ++starts;
    return [i = 0]() mutable -> std::optional<Element> {
      if (i == 3) return {};
      return Element{constant(std::int64_t(i++), DType::i64)};
    };
  });
  CHECK(numbers(d) == upto(3));
  CHECK(numbers(d) == upto(3));
  CHECK(starts == 2);
  CHECK(d.cardinality() == -1);
  const Dataset kept = d.cache();
  CHECK(numbers(kept.repeat(3)) == Numbers{0, 1, 2, 0, 1, 2, 0, 1, 2});
  CHECK(starts == 3);
}

TEST_CASE("shuffling is by seed and epoch, and goes on in the middle") {
  const Dataset d = Dataset::range(50).shuffle(20, {.seed = 3});
  const Numbers first = numbers(d), second = numbers(d, {.epoch = 1});
  CHECK(first == numbers(d));
  CHECK(first != second);
  CHECK(std::set<std::int64_t>(first.begin(), first.end()).size() == 50);
  CHECK(first[0] < 20);
  CHECK(numbers(Dataset::range(50).shuffle(20, {.seed = 3, .reshuffle_each_iteration = false}), {.epoch = 1}) == first);
  CHECK(numbers(Dataset::range(50).shuffle(20, {.seed = 4})) != first);
  Numbers both = first;
  both.insert(both.end(), second.begin(), second.end());
  CHECK(numbers(d.repeat(2)) == both);
  // a place in the whole pipeline, at every stage
  const Dataset pipeline = d.map(times_ten, {.threads = 3}).repeat(2).skip(1).prefetch(4);
  const Numbers all = numbers(pipeline);
  for (std::int64_t k : {0, 1, 37, 49, 60, 98, 99, 120}) {
    const Numbers rest = numbers(pipeline, {.position = k});
    CHECK(rest == Numbers(all.begin() + std::min<std::ptrdiff_t>(k, std::ssize(all)), all.end()));
  }
  const Dataset batches = d.batch(8);
  auto seen = batches.iterate({.epoch = 2});
  for (int i = 0; i < 3; ++i) seen.next();
  CHECK(seen.position() == 3);
  CHECK(array_equal((*batches.iterate({.epoch = 2, .position = 3}).next())[0], (*seen.next())[0]));
  random::set_seed(5);
  const Numbers by_global = numbers(Dataset::range(50).shuffle(50));
  random::set_seed(5);
  CHECK(numbers(Dataset::range(50).shuffle(50)) == by_global);
}

TEST_CASE("threads keep the order, and errors come where they were") {
  const Dataset slow = Dataset::range(40).map(
      [](const Element& e) {
        const std::int64_t i = e[0].item<std::int64_t>();
        std::this_thread::sleep_for(std::chrono::microseconds(i % 3 * 300));
        if (i == 30) throw UsageError("no thirty");
        return Element{e[0] * 2};
      },
      {.threads = 4});
  for (const Dataset& d : {slow, slow.prefetch(3)}) {
    auto i = d.iterate();
    for (std::int64_t k = 0; k < 30; ++k) CHECK((*i.next())[0].item<std::int64_t>() == 2 * k);
    CHECK_THROWS_AS(i.next(), UsageError);
  }
  auto left = slow.prefetch(2).iterate();  // thrown away in the middle
  CHECK(left.next().has_value());
}

TEST_CASE("padded batches") {
  const Dataset d = Dataset::range(4).map([](const Element& e) {
    return Element{ones({e[0].item<std::int64_t>(), 2})};
  });
  const Element b = *d.padded_batch(4, {.value = -1}).iterate().next();
  CHECK(b[0].shape() == Shape{4, 3, 2});
  CHECK(sum(b[0]).item<float>() == 6 * 2 - 6 * 2);
  CHECK_THROWS_AS(d.batch(2).iterate().next(), ShapeError);
}

TEST_CASE("bad input") {
  check_error<UsageError>([] { Dataset::from_tensors({}); }, ": from_tensors: needs at least one tensor.");
  check_error<ShapeError>(
      [] {
        Dataset::from_tensors({ones({2}), ones({3})});
      },
      ": from_tensors: tensors must have the same first size, got [2] and [3].");
  const Dataset d = Dataset::range(3);
  check_error<UsageError>([&] { d.batch(0); }, ": batch: size must be at least 1, got 0.");
  check_error<UsageError>([&] { d.shuffle(0); }, ": shuffle: buffer must be at least 1, got 0.");
  check_error<UsageError>([&] { d.map(times_ten, {.threads = 0}); }, ": map: threads must be at least 1, got 0.");
  check_error<UsageError>([&] { d.shard(2, 2); }, ": shard: index must be in [0, 2), got 2.");
  check_error<UsageError>([&] { d.repeat().stacked(); }, ": stacked: the dataset has no end; take(n) has.");
  check_error<UsageError>([&] { d.take(0).stacked(); }, ": stacked: the dataset is empty.");
  check_error<UsageError>([&] { d.iterate({.position = -1}); }, ": iterate: position must be at least 0, got -1.");
}
