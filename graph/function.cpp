// The untyped part of function(): the cache of traces, and when a dimension becomes unknown.
#include <tapir/graph/agree.h>
#include <tapir/graph/function.h>
#include <tapir/graph/passes.h>
#include <tapir/ops/call_observer.h>
#include <tapir/tensor/device_scope.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdlib>
#include <mutex>

namespace tapir {

using graph::Concrete;
using graph::Symbols;
using graph::Tracer;

static std::atomic<bool>& eagerly() {
  static std::atomic<bool> on{std::getenv("TAPIR_EAGER") && std::string(std::getenv("TAPIR_EAGER")) != "0"};
  return on;
}
void run_functions_eagerly(bool on) { eagerly() = on; }

namespace detail {
namespace {

std::string duration(double seconds) {
  return seconds < 1e-5   ? fmt::format("{:.2f} us", seconds * 1e6)
         : seconds < 1e-2 ? fmt::format("{:.0f} us", seconds * 1e6)
                          : fmt::format("{:.1f} ms", seconds * 1e3);
}
double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

std::string text_of(std::span<const TensorSpec> specs) {
  std::string s;
  for (auto& t : specs) s += fmt::format("{}{}{}", s.empty() ? "" : ", ", name_of(t.dtype), t.shape.str());
  return s.empty() ? "no tensors" : s;
}

bool fits(const TensorSpec& spec, const Tensor& t) {
  if (spec.dtype != t.dtype() || spec.shape.rank() != t.rank()) return false;
  for (int d = 0; d < t.rank(); ++d)
    if (spec.shape[d] != unknown && spec.shape[d] != t.shape()[d]) return false;
  return true;
}

static bool all_fit(std::span<const TensorSpec> specs, std::span<const Tensor> tensors) {
  return std::equal(specs.begin(), specs.end(), tensors.begin(), tensors.end(), fits);
}

static void check_arguments(const std::string& name, const std::vector<TensorSpec>& signature,
                            std::span<const Tensor> arguments) {
  if (signature.size() != arguments.size())
    throw UsageError(
        fmt::format("{}: its signature has {} tensors, the call {}.", name, signature.size(), arguments.size()));
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Tensor& t = arguments[i];
    if (fits(signature[i], t)) continue;
    throw ShapeError(fmt::format("{}: argument {} is {}{}, its signature says {}{}.", name, i, name_of(t.dtype()),
                                 t.shape().str(), name_of(signature[i].dtype), signature[i].shape.str()));
  }
}

struct FunctionCore::Impl {
  struct Entry {
    std::vector<TensorSpec> specs;
    std::string plain;
    Precision precision;
    std::string why;
    Traced traced;
    double seconds;  // to trace
    std::uint64_t used;
    bool asks;                               // the body asks for sizes, so what it does may depend on them
    std::vector<std::uint32_t> orders = {};  // of sizes for which it was seen not to
    bool open() const { return traced.graph->open(); }
    bool like(const CallKey& key) const { return plain == key.plain && precision == key.precision; }
  };
  FunctionOptions options;
  mutable std::mutex mutex;
  std::vector<Entry> entries;
  std::uint64_t clock = 0;
  int traces = 0;
  std::vector<std::string> by_size;  // `plain` of calls whose body is traced for each size

  // One for these sizes alone, else one for any.
  Entry* find(const CallKey& key) {
    Entry* found = nullptr;
    for (auto& e : entries) {
      if (!e.like(key) || (found && e.open())) continue;
      if (!all_fit(e.specs, key.tensors) || !e.traced.graph->takes(key.tensors)) continue;
      found = &e;
      if (!e.open()) break;
    }
    if (found) found->used = ++clock;
    return found;
  }

  // `start`: when tracing began.
  Traced add(std::vector<TensorSpec> specs, const CallKey& key, std::string why, Traced traced, double start,
             bool asks = false) {
    ++traces;
    if (int(entries.size()) >= options.max_traces)
      entries.erase(std::min_element(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.used < b.used; }));
    entries.insert(entries.begin(),
                   {std::move(specs), key.plain, key.precision, std::move(why), traced, now() - start, ++clock, asks});
    return traced;
  }

  // What to trace: the call's own shapes, or the signature's, or with a dimension unknown that took other sizes twice
  // before.
  std::vector<TensorSpec> specs_for(const CallKey& key, std::string& why) const {
    const bool each_size = std::find(by_size.begin(), by_size.end(), key.plain) != by_size.end();
    if (!options.signature.empty()) {
      why = "the signature given";
      if (each_size) why += "; the body does not take unknown sizes";
      return each_size ? specs_of(key) : options.signature;
    }
    std::vector<TensorSpec> specs = specs_of(key);
    why = entries.empty() ? "the first call" : "no trace has these dtypes and shapes";
    if (!entries.empty()) {
      bool plain_differs = true, precision_differs = true;
      for (auto& e : entries) plain_differs &= e.plain != key.plain, precision_differs &= !e.like(key);
      if (plain_differs) why = "other values of the arguments that are no tensors";
      else if (precision_differs) why = fmt::format("the precision is now {}", name_of(key.precision));
    }
    if (!options.generalise || each_size) return specs;
    std::vector<std::vector<int>> differs(specs.size());
    int alike = 0;
    std::size_t which = 0;
    int dimension = -1;
    for (auto& e : entries) {
      if (!e.like(key) || e.specs.size() != specs.size()) continue;
      int differences = 0;
      std::size_t at = 0;
      int dim = -1;
      for (std::size_t i = 0; i < specs.size(); ++i) {
        if (e.specs[i].dtype != specs[i].dtype || e.specs[i].shape.rank() != specs[i].shape.rank()) differences += 9;
        else
          for (int d = 0; d < specs[i].shape.rank(); ++d)
            if (e.specs[i].shape[d] != specs[i].shape[d] && e.specs[i].shape[d] != unknown) {
              // tensors that change together, as a batch does, count as one dimension
              if (differences && specs[i].shape[d] == specs[at].shape[dim] &&
                  e.specs[i].shape[d] == e.specs[at].shape[dim])
                continue;
              ++differences, at = i, dim = d;
            }
      }
      if (differences != 1 || (dimension >= 0 && (which != at || dimension != dim))) continue;
      which = at, dimension = dim;
      ++alike;
    }
    if (alike < 2) return specs;
    const std::int64_t size = specs[which].shape[dimension];
    for (auto& e : entries) {
      if (!e.like(key) || e.specs.size() != specs.size()) continue;
      for (std::size_t i = 0; i < specs.size(); ++i)
        for (int d = 0; d < specs[i].shape.rank() && d < e.specs[i].shape.rank(); ++d)
          if (e.specs[i].shape[d] != key.tensors[i].shape()[d] && key.tensors[i].shape()[d] == size)
            specs[i].shape[d] = unknown;
    }
    why = fmt::format("dimension {} of argument {} took three sizes, so it is unknown now", dimension, which);
    return specs;
  }

  Traced trace(const CallKey& key, const Body& body, const std::vector<TensorSpec>& specs,
               Symbols::Numbers numbers = Symbols::Numbers::primes) {
    // Equal sizes of unknown dimensions in this call are one unknown size: the batch of x and of y.
    std::vector<std::int64_t> sizes;
    std::vector<Spec> inputs;
    for (std::size_t i = 0; i < specs.size(); ++i)
      for (int d = 0; d < specs[i].shape.rank(); ++d)
        if (specs[i].shape[d] == unknown &&
            std::find(sizes.begin(), sizes.end(), key.tensors[i].shape()[d]) == sizes.end())
          sizes.push_back(key.tensors[i].shape()[d]);
    Symbols symbols(int(sizes.size()), numbers);
    for (std::size_t i = 0; i < specs.size(); ++i) {
      Spec s{specs[i].shape, specs[i].dtype};
      for (int d = 0; d < s.shape.rank(); ++d)
        if (s.shape[d] == unknown)
          s.shape[d] = symbols.numbers()[std::size_t(std::find(sizes.begin(), sizes.end(), key.tensors[i].shape()[d]) -
                                                     sizes.begin())];
      inputs.push_back(s);
    }
    const std::uint64_t since = next_id();
    Span span("trace", options.name.c_str());
    Tracer tracer(symbols);
    std::vector<Tensor> arguments;
    for (auto& s : inputs) arguments.push_back(tracer.input(s));
    auto [results, structure] = body(arguments);
    const int count = int(results.size());
    std::vector<Variable> variables;
    std::vector<int> assigned;
    std::vector<bool> own;
    for (auto& c : tracer.captured()) {
      if (c.assigned) assigned.push_back(int(variables.size())), results.push_back(c.now);
      variables.push_back(c.variable);
      own.push_back(c.variable.version() == 0 && c.variable.id() > since);
    }
    graph::Graph g = graph::prune(tracer.finish(results));
    auto concrete =
        std::make_shared<Concrete>(std::move(g), symbols, int(arguments.size()), count, variables, assigned, own);
    concrete->set_name(options.name);
    return {std::move(concrete), structure};
  }

  // For the sizes of this call.
  Traced trace(const CallKey& key, const Body& body) { return trace(key, body, specs_of(key)); }

  // What the body did otherwise in earlier traces for given sizes, more than 1, which are broadcast. Empty if nothing.
  std::string decision(const Traced& open, const CallKey& key, const std::vector<TensorSpec>& specs) const {
    std::string what;
    for (auto& e : entries) {
      if (!what.empty() || !e.like(key) || e.open()) continue;
      const CallKey then = with_shapes(e.specs);
      if (!all_fit(specs, then.tensors) || !open.graph->takes(then.tensors)) continue;
      const auto sizes = open.graph->sizes_of(then.tensors);
      if (*std::min_element(sizes.begin(), sizes.end()) > 1) what = disagreement(*open.graph, sizes, *e.traced.graph);
    }
    return what;
  }
  // What it does otherwise where unknown sizes are divisible; those of `open` are odd.
  std::string decision_by_divisors(const Traced& open, const CallKey& key, const Body& body,
                                   const std::vector<TensorSpec>& specs) {
    try {
      const Traced other = trace(key, body, specs, Symbols::Numbers::divisible);
      return disagreement(*open.graph, other.graph->symbols().numbers(), *other.graph);
    } catch (const ShapeError& e) {
      return e.what();
    }
  }

  static std::vector<TensorSpec> specs_of(const CallKey& key) {
    std::vector<TensorSpec> specs;
    for (auto& t : key.tensors) specs.push_back(t.spec());
    return specs;
  }
  static CallKey with_shapes(const std::vector<TensorSpec>& specs) {
    CallKey key;
    for (auto& s : specs) key.tensors.push_back(Tensor::only_spec(s.shape, s.dtype));
    return key;
  }
};

// The sizes by their powers of two.
static std::uint32_t order_of(std::span<const std::int64_t> sizes) {
  std::uint32_t order = 0;
  for (auto n : sizes) order = order << 6 | std::uint32_t(std::bit_width(std::uint64_t(n)));
  return order;
}

// Sizes for unknown dimensions; equal ones are one unknown size: those of the same axis, or all.
static CallKey with_sizes(CallKey key, const std::vector<TensorSpec>& specs, bool by_axis) {
  for (std::size_t i = 0; i < specs.size(); ++i) {
    Shape s = specs[i].shape;
    for (int d = 0; d < s.rank(); ++d)
      if (s[d] == unknown) s[d] = by_axis ? 2 + d : 2;
    key.tensors[i] = Tensor::only_spec(s, specs[i].dtype);
  }
  return key;
}

FunctionCore::FunctionCore(FunctionOptions options, const Where& where) : impl_(std::make_unique<Impl>()) {
  CallSite site(where);
  if (options.max_traces < 1)
    throw UsageError(fmt::format("function: max_traces must be at least 1, got {}.", options.max_traces));
  impl_->options = std::move(options);
}
FunctionCore::~FunctionCore() = default;

bool FunctionCore::eager() { return Tracer::current() || eagerly().load(std::memory_order_relaxed); }

// C++ in the body sees some number in place of an unknown size, and may decide by it. So a trace for any size is
// compared with the earlier ones for given sizes. A body that asks for a size is also traced with other numbers, and
// for the first size of each order of magnitude that comes; all must agree. Who gives a signature vouches for it.
Traced FunctionCore::find(const CallKey& key, const Body& body, const Where& where) {
  // A trace is on one device: that of its first argument.
  const Device device = key.tensors.empty() ? default_device() : key.tensors[0].device();
  if (device.backend == Backend::cpu && default_device().backend == Backend::cpu) return find_here(key, body, where);
  CallKey there = key;
  there.plain += device.str();
  DeviceScope scope(device);
  return find_here(there, body, where);
}

Traced FunctionCore::find_here(const CallKey& key, const Body& body, const Where& where) {
  Impl& impl = *impl_;
  std::lock_guard lock(impl.mutex);
  Impl::Entry* known = impl.find(key);
  if (known && !known->asks) return known->traced;
  const double start = now();
  const bool given = !impl.options.signature.empty();
  std::string why;
  if (!known) {
    if (given) {
      CallSite site(where);
      check_arguments(impl.options.name, impl.options.signature, key.tensors);
    }
    std::vector<TensorSpec> specs = impl.specs_for(key, why);
    bool open = false;
    for (auto& s : specs)
      for (auto d : s.shape) open |= d == unknown;
    try {
      const std::uint64_t asked = sizes_asked();
      Traced traced = impl.trace(key, body, specs);
      const bool asks = open && !given && sizes_asked() != asked;
      if (open) {
        std::string what = impl.decision(traced, key, specs);
        if (what.empty() && asks) what = impl.decision_by_divisors(traced, key, body, specs);
        if (!what.empty()) throw ShapeError(what);
        (void)traced.graph->executable(key.tensors);  // do the sizes come out?
      }
      impl.add(specs, key, why, traced, start, asks);
      if (!asks) return traced;
      known = &impl.entries.front();
    } catch (const ShapeError& e) {
      if (!open) throw;
      impl.by_size.push_back(key.plain);
      why += fmt::format("; the body does not take unknown sizes ({})", e.what());
    }
  }
  if (known) {
    const auto sizes = known->traced.graph->sizes_of(key.tensors);
    const std::uint32_t order = order_of(sizes);
    if (std::find(known->orders.begin(), known->orders.end(), order) != known->orders.end()) return known->traced;
    Traced mine = impl.trace(key, body);
    const std::string what = disagreement(*known->traced.graph, sizes, *mine.graph);
    if (what.empty()) {
      known->orders.push_back(order);
      return known->traced;
    }
    const bool small = *std::min_element(sizes.begin(), sizes.end()) <= 1;  // which are broadcast
    if (!small) {
      impl.entries.erase(impl.entries.begin() + (known - impl.entries.data()));
      impl.by_size.push_back(key.plain);
    }
    why = small ? "sizes of 0 and 1 are another matter" : "the body does not take unknown sizes (" + what + ")";
    return impl.add(impl.specs_of(key), key, why, mine, start);
  }
  return impl.add(impl.specs_of(key), key, why, impl.trace(key, body), start);
}

Traced FunctionCore::get_concrete(const CallKey& key, const std::vector<TensorSpec>& specs, const Body& body,
                                  const Where& where) {
  Impl& impl = *impl_;
  std::lock_guard lock(impl.mutex);
  for (auto& e : impl.entries)
    if (e.like(key) && e.specs == specs) return e.used = ++impl.clock, e.traced;
  bool open = false;
  {
    CallSite site(where);
    for (auto& s : specs)
      for (auto d : s.shape) {
        if (d < 0 && d != unknown) throw ShapeError(fmt::format("get_concrete: negative size in {}.", s.shape.str()));
        open |= d == unknown;
      }
  }
  const double start = now();
  Traced traced;
  try {
    traced = impl.trace(with_sizes(key, specs, true), body, specs);
  } catch (const ShapeError&) {
    if (!open) throw;
    traced = impl.trace(with_sizes(key, specs, false), body, specs);
  }
  return impl.add(specs, key, "get_concrete", traced, start);
}

const std::string& FunctionCore::name() const { return impl_->options.name; }

void FunctionCore::check_count(std::size_t given, std::size_t wanted, const Where& where) const {
  CallSite site(where);
  if (given != wanted)
    throw UsageError(fmt::format("get_concrete: {} takes {} tensors, {} specs are given.", name(), wanted, given));
}

Tensor placeholder(const TensorSpec& spec, Placeholders& all) {
  Shape s = spec.shape;
  for (auto& d : s) d = 1;  // the spec itself goes beside it
  Tensor t = Tensor::only_spec(s, spec.dtype, default_device());
  all.emplace_back(t.id(), spec);
  return t;
}

std::vector<Tensor> ConcreteCore::call(const std::vector<Tensor>& arguments, Where where) const {
  {
    CallSite site(where);
    check_arguments(name_, signature(), arguments);
    if (!traced_.graph->takes(arguments)) {
      std::vector<TensorSpec> got;
      for (auto& t : arguments) got.push_back(t.spec());
      throw ShapeError(
          fmt::format("{}: sizes that are one unknown size in its trace differ, in ({}).", name_, text_of(got)));
    }
  }
  return traced_.graph->call(arguments);
}

std::vector<TensorSpec> ConcreteCore::signature() const { return traced_.graph->signature(); }
std::string ConcreteCore::graph() const {
  return traced_.graph->symbols().named(graph::to_text(traced_.graph->traced()));
}
void ConcreteCore::save(const std::string& path, Where where) const {
  save_traces(path, {{"function", {traced_.graph}}}, where);
}

std::vector<Tensor> FunctionCore::call(const Traced& traced, std::span<const Tensor> arguments) {
  return traced.graph->call(arguments);
}

std::string FunctionCore::explain() const {
  std::lock_guard lock(impl_->mutex);
  std::string s = fmt::format("{}: {} trace{}, {} kept\n", impl_->options.name, impl_->traces,
                              impl_->traces == 1 ? "" : "s", impl_->entries.size());
  for (auto& e : impl_->entries) {
    s += fmt::format("  ({})\n    traced because: {}; {:.2f} ms, {} operations, {} variables read, {} assigned\n",
                     text_of(e.specs), e.why, e.seconds * 1e3, e.traced.graph->traced().nodes.size(),
                     e.traced.graph->variables().size(), e.traced.graph->assigned().size());
    for (auto& x : e.traced.graph->executables()) {
      std::vector<TensorSpec> specs;
      for (int i = 0; i < e.traced.graph->arguments(); ++i) {
        const Spec& spec = x->graph().spec(x->graph().inputs[std::size_t(i)]);
        specs.emplace_back(spec.shape, spec.dtype);
      }
      s += fmt::format("    for ({}): {} operations after the passes, arena {:.1f} KB (op by op {:.1f} KB)\n",
                       text_of(specs), x->graph().nodes.size(), double(x->arena_bytes()) / 1e3,
                       double(x->unplanned_bytes()) / 1e3);
      if (x->calls() > 1) s += fmt::format("      {} calls, {} each\n", x->calls(), duration(x->seconds_per_call()));
      for (auto& n : x->graph().nodes)
        if (!n.note.empty())
          s += fmt::format("      {}: {}{}\n", n.op->name, n.note,
                           n.where.line() ? fmt::format("  ({})", graph::line_of(n.where)) : "");
    }
  }
  return s;
}

int FunctionCore::trace_count() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->traces;
}

std::vector<std::string> FunctionCore::graphs() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<std::string> out;
  for (auto& e : impl_->entries)
    for (auto& x : e.traced.graph->executables()) out.push_back(graph::to_text(x->graph()));
  return out;
}

std::vector<std::shared_ptr<Concrete>> FunctionCore::concretes() const {
  std::lock_guard lock(impl_->mutex);
  std::vector<std::shared_ptr<Concrete>> out;
  for (auto& e : impl_->entries) out.push_back(e.traced.graph);
  return out;
}

}  // namespace detail
}  // namespace tapir
