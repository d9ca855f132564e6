// ONNX models for the user: loading, calling, the table of operators.
#include <tapir/formats/onnx_program.h>

#include <fmt/format.h>

#include <algorithm>

namespace tapir::onnx {

using detail::FileContext;
using detail::Row;

namespace {

std::string names_of(const std::vector<TensorInfo>& infos) {
  std::string all;
  for (auto& i : infos) all += (all.empty() ? "\"" : ", \"") + i.name + "\"";
  return all;
}

void check_input(const Tensor& t, const TensorInfo& info) {
  if (!t.defined()) throw UsageError("onnx: input \"" + info.name + "\" is undefined.");
  if (t.dtype() != info.dtype)
    throw DTypeError(fmt::format("onnx: input \"{}\" is {}, the model takes {}. Cast it: x.astype(DType::{}).",
                                 info.name, name_of(t.dtype()), name_of(info.dtype), name_of(info.dtype)));
  bool fits = !info.ranked || t.rank() == info.shape.rank();
  for (int i = 0; fits && info.ranked && i < t.rank(); ++i)
    fits = info.shape[i] == unknown || info.shape[i] == t.shape()[i];
  if (!fits)
    throw ShapeError(
        fmt::format("onnx: input \"{}\" is {}, the model takes {}.", info.name, t.shape().str(), info.shape.str()));
}

std::span<const Row> all_rows() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> all;
    for (auto part :
         {detail::elementwise_rows(), detail::shaping_rows(), detail::indexing_rows(), detail::reduction_rows(),
          detail::window_rows(), detail::normalization_rows(), detail::recurrent_rows(), detail::control_rows(),
          detail::quantization_rows(), detail::resize_rows()})
      all.insert(all.end(), part.begin(), part.end());
    std::ranges::sort(all, [](auto& a, auto& b) { return std::string_view(a.name) < b.name; });
    return all;
  }();
  return rows;
}

}  // namespace

const Row* detail::find_row(const std::string& op, int opset) {
  const auto rows = all_rows();
  auto it = std::ranges::lower_bound(rows, op, {}, [](auto& r) { return std::string_view(r.name); });
  for (; it != rows.end() && op == it->name; ++it)
    if (opset >= it->since && (!it->until || opset <= it->until)) return &*it;
  return nullptr;
}

std::vector<OperatorInfo> operators() {
  std::vector<OperatorInfo> out;
  for (auto& r : all_rows()) out.push_back({r.name, r.since, r.until});
  return out;
}

Model load(const std::string& path, const LoadOptions& options, Where where) {
  CallSite site(where);
  const FileContext context{"onnx::load", path};
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return Model(detail::program_of(detail::parse_file(detail::read_all(context), folder, context), options, context));
}

Model parse(std::string_view bytes, const LoadOptions& options, Where where) {
  CallSite site(where);
  const FileContext context{"onnx::parse", "model"};
  return Model(detail::program_of(detail::parse_file(bytes, "", context), options, context));
}

Tensor load_tensor(const std::string& path, Where where) {
  CallSite site(where);
  const FileContext context{"onnx::load_tensor", path};
  return detail::parse_tensor(detail::read_all(context), context);
}

const std::vector<TensorInfo>& Model::inputs() const { return program_->inputs; }
const std::vector<TensorInfo>& Model::outputs() const { return program_->outputs; }
const std::vector<Weight>& Model::weights() const { return program_->weights; }
int Model::opset() const { return program_->opset; }

std::vector<Tensor> Model::operator()(const std::vector<Tensor>& inputs, Where where) const {
  CallSite site(where);
  if (inputs.size() != program_->inputs.size())
    throw UsageError(fmt::format("onnx: the model takes {} inputs, got {}. They are: {}.", program_->inputs.size(),
                                 inputs.size(), names_of(program_->inputs)));
  for (std::size_t i = 0; i < inputs.size(); ++i) check_input(inputs[i], program_->inputs[i]);
  return program_->run(inputs);
}

io::NamedTensors Model::operator()(const io::NamedTensors& inputs, Where where) const {
  CallSite site(where);
  std::vector<Tensor> ordered;
  for (auto& [name, value] : inputs)
    if (std::ranges::none_of(program_->inputs, [&](auto& i) { return i.name == name; }))
      throw UsageError(
          fmt::format("onnx: \"{}\" is no input of the model. They are: {}.", name, names_of(program_->inputs)));
  for (auto& info : program_->inputs) ordered.push_back(io::find(inputs, info.name, where));
  const std::vector<Tensor> results = (*this)(ordered, where);
  io::NamedTensors out;
  for (std::size_t i = 0; i < results.size(); ++i) out.emplace_back(program_->outputs[i].name, results[i]);
  return out;
}

}  // namespace tapir::onnx
