// Writing ONNX: names, constants, shapes that are open.
#include <tapir/formats/onnx_writer.h>
#include <tapir/io/values.h>
#include <tapir/ops/create.h>
#include <tapir/ops/shaping.h>

#include <fmt/format.h>

namespace tapir::onnx::detail {

// AttributeProto: name 1, f 2, i 3, s 4, ints 8, type 20.
Proto attribute(const char* name, std::int64_t v) {
  Proto p;
  p.text(1, name).integer(3, v).integer(20, 2);
  return p;
}
Proto attribute(const char* name, double v) {
  Proto p;
  p.text(1, name).number(2, float(v)).integer(20, 1);
  return p;
}
Proto attribute(const char* name, const Integers& v) {
  Proto p;
  p.text(1, name).integer(20, 7);
  for (auto i : v) p.integer(8, i);
  return p;
}
Proto attribute(const char* name, const char* v) {
  Proto p;
  p.text(1, name).text(4, v).integer(20, 3);
  return p;
}

Proto tensor_proto(const std::string& name, const Tensor& t) {
  const Tensor dense = tapir::detail::dense_on_cpu(t, "onnx::save", name);
  Proto p;
  for (auto d : dense.shape()) p.integer(1, d);
  p.integer(2, std::int64_t(type_of(dense.dtype()))).text(8, name);
  p.text(9, {dense.data<char>(), std::size_t(dense.size()) * size_of(dense.dtype())});
  return p;
}

std::string Writer::name(int value) {
  if (auto it = names_.find(value); it != names_.end()) return it->second;
  const Tensor& c = g_.values[std::size_t(value)].constant;
  if (!c.defined()) throw InternalError("onnx::save: a value has no name.");
  return names_[value] = constant(c);
}

void Writer::add_weight(int value, const std::string& name, const Tensor& now) {
  std::string unique = name;
  for (int i = 1; !taken_.insert(unique).second; ++i) unique = name + "_" + std::to_string(i);
  names_[value] = unique;
  weights_[value] = now;
}

std::string Writer::add(const char* op, const Names& in, const std::vector<Proto>& attributes) {
  const std::string out = fresh();
  add_all(op, in, {out}, attributes);
  return out;
}

void Writer::add_all(const char* op, const Names& in, const Names& out, const std::vector<Proto>& attributes) {
  Proto node;  // NodeProto: input 1, output 2, name 3, op_type 4, attribute 5
  for (auto& i : in) node.text(1, i);
  for (auto& o : out) node.text(2, o);
  node.text(3, fmt::format("{}_{}", op, next_++)).text(4, op);
  for (auto& a : attributes) node.message(5, a);
  nodes_.message(1, node);
  // A weight is written when it is first read as it lies; one that is only read permuted never is.
  for (auto& i : in)
    for (auto it = weights_.begin(); it != weights_.end(); ++it)
      if (names_[it->first] == i) {
        initializers_.message(5, tensor_proto(i, it->second));
        weights_.erase(it);
        break;
      }
}

std::string Writer::constant(const Tensor& t, const std::string& prefix) {
  const std::string n = fresh(prefix);
  initializers_.message(5, tensor_proto(n, t));
  return n;
}

std::string Writer::number(double v, DType dtype) { return constant(full({}, v, dtype)); }

std::string Writer::fresh(const std::string& prefix) {
  std::string name;
  do name = prefix + std::to_string(next_++);
  while (!taken_.insert(name).second);
  return name;
}

Tensor Writer::known(int value) const {
  if (auto it = weights_.find(value); it != weights_.end()) return it->second;
  return g_.values[std::size_t(value)].constant;
}

std::string Writer::as(int value, DType dtype) {
  if (spec(value).dtype == dtype) return name(value);
  const Tensor& c = g_.values[std::size_t(value)].constant;
  if (c.defined()) return constant(c.astype(dtype));
  return add("Cast", {name(value)}, {attribute("to", std::int64_t(type_of(dtype)))});
}

std::string Writer::permuted(int value, const Integers& order) {
  if (const Tensor t = known(value); t.defined()) {
    std::string& n = permuted_[{value, order}];
    if (n.empty())
      n = constant(permute_dims(t, Axes(order)), names_.contains(value) ? names_[value] + "_permuted" : "c");
    return n;
  }
  return add("Transpose", {name(value)}, {attribute("perm", order)});
}

// a * n + b of the unknown size n, which some input has.
std::string Writer::open_size(std::int64_t v) {
  std::vector<std::int64_t> ones(symbols_.numbers().size(), 7);
  for (std::size_t k = 0; k < ones.size(); ++k) {
    auto at = [&](std::int64_t n) {
      auto sizes = ones;
      sizes[k] = n;
      return symbols_.put(v, sizes);
    };
    const std::int64_t a = at(2) - at(1), b = at(1) - a;
    if (a == 0) continue;
    if (at(5) != 5 * a + b) break;
    for (int input : g_.inputs)
      for (int d = 0; d < shape(input).rank(); ++d) {
        if (shape(input)[d] != symbols_.numbers()[k]) continue;
        std::string n = add("Gather", {add("Shape", {name(input)}), constant(Integers{d})});
        if (a != 1) n = add("Mul", {n, constant(Integers{a})});
        return b ? add("Add", {n, constant(Integers{b})}) : n;
      }
  }
  throw UsageError(
      "onnx::save: a size depends on unknown sizes in a way that cannot be written. Trace with known sizes.");
}

std::string Writer::sizes(const Shape& s, bool reshape) {
  if (!is_open(s)) return constant(s.to_vector());
  int open = 0;
  for (auto d : s) open += is_open(d);
  Integers plain;
  Names parts;
  for (auto d : s) plain.push_back(is_open(d) ? -1 : d);
  if (reshape && open == 1) return constant(plain);
  for (auto d : s) parts.push_back(is_open(d) ? open_size(d) : constant(Integers{d}));
  return parts.size() == 1 ? parts[0] : add("Concat", parts, {attribute("axis", std::int64_t(0))});
}

Proto Writer::info(const std::string& name, const Spec& spec) const {
  Proto dims;  // TensorShapeProto
  for (auto d : spec.shape) {
    Proto dim;
    if (is_open(d)) dim.text(2, symbols_.named(std::to_string(d)));
    else dim.integer(1, d);
    dims.message(1, dim);
  }
  Proto tensor, type, info;
  tensor.integer(1, std::int64_t(type_of(spec.dtype))).message(2, dims);
  type.message(1, tensor);
  info.text(1, name).message(2, type);
  return info;
}

}  // namespace tapir::onnx::detail
