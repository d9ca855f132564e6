#include <tapir/backends/cpu/onednn.h>

#ifdef TAPIR_ONEDNN
#include <fmt/format.h>

#include <list>
#include <unordered_map>

// Of the OpenMP that oneDNN runs on. Its header belongs to a compiler, and another one would not find it.
extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int);

namespace tapir::cpu::onednn {

namespace {

constexpr std::size_t kKept = 256;

[[noreturn]] void failed(const char* what, const dnnl::error& e) {
  throw InternalError(
      fmt::format("oneDNN: {} failed, {} (status {}). Please report this.", what, e.what(), int(e.status)));
}

// The most recently used first.
struct Cache {
  using Order = std::list<std::pair<std::string, std::shared_ptr<Prepared>>>;
  Order order;
  std::unordered_map<std::string_view, Order::iterator> places;
};
Cache& cache() {
  static thread_local Cache c;
  return c;
}

// oneDNN asks OpenMP how many threads to use, when it makes a primitive and when it runs one. The setting is this
// thread's own; the program's is put back.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine* e = new dnnl::engine(dnnl::engine::kind::cpu, 0);  // outlives every thread's cache
  return *e;
}

const dnnl::stream& stream() {
  static thread_local dnnl::stream s(engine());
  return s;
}

// Each set's number has the bits of all that it includes.
bool has(dnnl::cpu_isa set) {
  static const auto used = unsigned(dnnl::get_effective_cpu_isa());
  return (used & unsigned(set)) == unsigned(set);
}

dnnl::memory::data_type type_of(DType d) {
  using type = dnnl::memory::data_type;
  switch (d) {
    case DType::f32:
      return type::f32;
    case DType::bf16:
      return type::bf16;
    case DType::f16:
      return type::f16;
    case DType::i32:
      return type::s32;
    case DType::i8:
      return type::s8;
    case DType::u8:
      return type::u8;
    default:
      throw InternalError(fmt::format("oneDNN: it has no {}. Please report this.", name_of(d)));
  }
}

dnnl::memory::dims dims_of(const Shape& s) { return {s.begin(), s.end()}; }

dnnl::memory::desc desc_of(const Shape& sizes, const Shape& strides, DType dtype) {
  return {dims_of(sizes), type_of(dtype), dims_of(strides)};
}

dnnl::memory::desc any_layout(const Shape& sizes, DType dtype) {
  return {dims_of(sizes), type_of(dtype), dnnl::memory::format_tag::any};
}

dnnl::primitive_attr attributes(const dnnl::post_ops& after) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (after.len()) attr.set_post_ops(after);
  return attr;
}

template <class Ops>
static void append(Ops& ops, dnnl::algorithm kind, float alpha, float beta) {
  if constexpr (is_v3) ops.append_eltwise(kind, alpha, beta);
  else ops.append_eltwise(1.0f, kind, alpha, beta);
}
void append_eltwise(dnnl::post_ops& ops, dnnl::algorithm kind, float alpha, float beta) {
  append(ops, kind, alpha, beta);
}

Prepared::Prepared(const Recipe& r) : primitive_(r.primitive), scratch_bytes_(r.scratchpad.get_size()) {
  for (auto& [which, desc] : r.arguments) memories_.emplace_back(which, dnnl::memory(desc, engine(), nullptr));
  if (scratch_bytes_) scratch_ = dnnl::memory(r.scratchpad, engine(), nullptr);
}

dnnl::memory& Prepared::memory(int which) {
  for (auto& [known, m] : memories_)
    if (known == which) return m;
  throw InternalError(fmt::format("oneDNN: argument {} is not part of the recipe. Please report this.", which));
}

dnnl::memory::desc Prepared::desc(int which) const { return const_cast<Prepared*>(this)->memory(which).get_desc(); }

void Prepared::run(std::initializer_list<Argument> arguments) {
  struct Scratch {
    explicit Scratch(std::size_t n) : bytes(n), data(n ? tapir::detail::allocate_bytes(n) : nullptr) {}
    ~Scratch() {
      if (data) tapir::detail::free_bytes(data, bytes);
    }
    std::size_t bytes;
    void* data;
  } scratch(scratch_bytes_);
  OneThread alone;
  dnnl_exec_arg_t list[16];
  int n = 0;
  try {
    for (auto& a : arguments) {
      dnnl::memory& m = memory(a.which);
      m.set_data_handle(const_cast<void*>(a.data));
      list[n++] = {a.which, m.get()};
    }
    if (scratch.data) {
      scratch_.set_data_handle(scratch.data);
      list[n++] = {DNNL_ARG_SCRATCHPAD, scratch_.get()};
    }
    dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), stream().get(), n, list), "execution");
  } catch (const dnnl::error& e) {
    failed("execution", e);
  }
}

namespace detail {

std::shared_ptr<Prepared> find(const Key& key) {
  Cache& c = cache();
  auto it = c.places.find(key.bytes());
  if (it == c.places.end()) return nullptr;
  c.order.splice(c.order.begin(), c.order, it->second);
  return it->second->second;
}

std::shared_ptr<Prepared> keep(const Key& key, Recipe (*make)(void*), void* context) {
  OneThread alone;
  std::shared_ptr<Prepared> made;
  try {
    made = std::make_shared<Prepared>(make(context));
  } catch (const dnnl::error& e) {
    failed("making a primitive", e);
  }
  Cache& c = cache();
  c.order.emplace_front(key.bytes(), made);
  c.places[c.order.front().first] = c.order.begin();
  if (c.order.size() > kKept) {
    c.places.erase(c.order.back().first);
    c.order.pop_back();
  }
  return made;
}

}  // namespace detail

void reorder(const dnnl::memory::desc& from, const void* data, const dnnl::memory::desc& to, void* out) {
  OneThread alone;
  try {
    dnnl::reorder::primitive_desc d(engine(), from, engine(), to, attributes());
    Prepared p(recipe(d, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}}));
    p.run({{DNNL_ARG_FROM, data}, {DNNL_ARG_TO, out}});
  } catch (const dnnl::error& e) {
    failed("reorder", e);
  }
}

void bf16_gemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const bfloat16* a, std::int64_t lda,
               const bfloat16* b, std::int64_t ldb, float* c, std::int64_t ldc) {
  Key key("bf16_gemm");
  key << ta << tb << m << n << k << lda << ldb << ldc;
  auto product = prepared(key, [&] {
    auto strides = [](bool transposed, std::int64_t ld) { return transposed ? Shape{1, ld} : Shape{ld, 1}; };
    const auto from_a = desc_of({m, k}, strides(ta, lda), DType::bf16);
    const auto from_b = desc_of({k, n}, strides(tb, ldb), DType::bf16);
    const auto to = desc_of({m, n}, {ldc, 1}, DType::f32);
    return recipe(describe<dnnl::matmul>(attributes(), from_a, from_b, to),
                  {{DNNL_ARG_SRC, from_a}, {DNNL_ARG_WEIGHTS, from_b}, {DNNL_ARG_DST, to}});
  });
  product->run({{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
}

void sgemm(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda,
           const float* b, std::int64_t ldb, float beta, float* c, std::int64_t ldc) {
  OneThread alone;
  dnnl_status_t s = dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', m, n, k, 1.0f, a, lda, b, ldb, beta, c, ldc);
  if (s != dnnl_success)
    throw InternalError(
        fmt::format("oneDNN: sgemm of {}x{}x{} failed (status {}). Please report this.", m, n, k, int(s)));
}

}  // namespace tapir::cpu::onednn
#endif
