// A bucket's memory is neither a tensor's nor a graph's but stands here, so that MPI may write to it until `arrive`,
// whatever is thrown meanwhile. Behind its elements stands the number of examples, which is added up alike.
#include <tapir/distributed/all_reduce.h>
#include <tapir/distributed/mpi_calls.h>
#include <tapir/ops/op.h>
#include <tapir/tensor/error.h>

#include <algorithm>
#include <map>

namespace tapir::distributed::detail {
namespace {

struct Bucket {
  std::vector<double> memory;  // of f64, or of twice as many f32
  std::vector<MPI_Request> under_way;
};

std::map<std::int64_t, Bucket>& buckets() {
  static std::map<std::int64_t, Bucket> all;
  return all;
}

struct DepartAttrs {
  std::int64_t bucket = 0, examples = 0;
  template <class V>
  void visit(V&& v) {
    v("bucket", bucket);
    v("examples", examples);
  }
};
struct ArriveAttrs {
  std::int64_t bucket = 0, elements = 0;
  DType dtype = DType::f32;
  template <class V>
  void visit(V&& v) {
    v("bucket", bucket);
    v("elements", elements);
    v("dtype", dtype);
  }
};

void wait(const char* op, Bucket& b) {
  if (b.under_way.empty()) return;
  const int status = MPI_Waitall(int(b.under_way.size()), b.under_way.data(), MPI_STATUSES_IGNORE);
  b.under_way.clear();
  check(op, status);
}

// Sums, from which the mean is made when all have come.
template <class T>
std::int64_t fill(Bucket& b, const Call& call, std::int64_t examples) {
  std::int64_t n = 1;
  for (std::size_t i = 0; i < call.in.size(); ++i) n += call.in[i].size();
  b.memory.resize((std::size_t(n) * sizeof(T) + sizeof(double) - 1) / sizeof(double));
  T* to = reinterpret_cast<T*>(b.memory.data());
  for (std::size_t i = 0; i < call.in.size(); ++i) {
    const T* from = call.in[i].data<T>();
    const std::int64_t size = call.in[i].size();
    if (examples == 0) std::fill_n(to, size, T(0));  // whatever the gradient of no examples may be
    else std::transform(from, from + size, to, [f = T(examples)](T v) { return v * f; });
    to += size;
  }
  *to = T(examples);
  return n;
}

void depart_kernel(const Call& call) {
  const auto& a = call.attrs.as<DepartAttrs>();
  Bucket& b = buckets()[a.bucket];
  wait("all_reduce", b);  // there is nothing, unless an error cut the last step off
  const DType dtype = call.in[0].dtype();
  std::int64_t left = dtype == DType::f64 ? fill<double>(b, call, a.examples) : fill<float>(b, call, a.examples);
  auto* at = reinterpret_cast<std::byte*>(b.memory.data());
  for (; left > 0; left -= kMostElements, at += std::size_t(kMostElements) * size_of(dtype))
    check("all_reduce", MPI_Iallreduce(MPI_IN_PLACE, at, int(std::min(left, kMostElements)), mpi_type(dtype), MPI_SUM,
                                       MPI_COMM_WORLD, &b.under_way.emplace_back()));
  // MPI moves on only while it is called.
  int done = 0;
  for (auto& [number, other] : buckets())
    if (!other.under_way.empty())
      check("all_reduce", MPI_Testall(int(other.under_way.size()), other.under_way.data(), &done, MPI_STATUSES_IGNORE));
  *call.out[0].mutable_data<std::int64_t>() = a.bucket;
}

template <class T>
void take(const Bucket& b, T* out, std::int64_t n) {
  const T* from = reinterpret_cast<const T*>(b.memory.data());
  const T examples = from[n];
  std::transform(from, from + n, out, [examples](T v) { return v / examples; });
}

void arrive_kernel(const Call& call) {
  const auto& a = call.attrs.as<ArriveAttrs>();
  Bucket& b = buckets()[a.bucket];
  wait("all_reduce", b);
  const std::size_t needed = std::size_t(a.elements + 1) * size_of(a.dtype);
  if (b.memory.size() * sizeof(double) < needed) throw InternalError("all_reduce: this bucket did not depart.");
  if (a.dtype == DType::f64) take(b, call.out[0].mutable_data<double>(), a.elements);
  else take(b, call.out[0].mutable_data<float>(), a.elements);
}

const OpDef depart_op = {
    .name = "all_reduce_depart",
    .infer =
        [](Inputs, Attrs, Specs& out) {
          out.push_back({Shape{}, DType::i64});
        },
    .kernel = {depart_kernel},
    .needs_contiguous = true,
    .attrs = &attrs_type<DepartAttrs>,
    .effect = true,
};
const OpDef arrive_op = {
    .name = "all_reduce_arrive",
    .infer =
        [](Inputs, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<ArriveAttrs>();
          out.push_back({Shape{a.elements}, a.dtype});
        },
    .kernel = {arrive_kernel},
    .attrs = &attrs_type<ArriveAttrs>,
    .effect = true,
};

}  // namespace

Tensor depart(const std::vector<Tensor>& gradients, std::int64_t bucket, std::int64_t examples) {
  const auto refs = refs_of(gradients);
  return apply(depart_op, Inputs(refs), DepartAttrs{bucket, examples}, Where::current());
}

Tensor arrive(const Tensor& token, std::int64_t bucket, std::int64_t elements, DType dtype) {
  return apply(arrive_op, {token}, ArriveAttrs{bucket, elements, dtype}, Where::current());
}

}  // namespace tapir::distributed::detail
