#include <tapir/io/output_file.h>
#include <tapir/io/safetensors.h>
#include <tapir/io/safetensors_header.h>
#include <tapir/io/values.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace tapir::io {

using namespace detail;

static void check_names(const NamedTensors& tensors, const Metadata& metadata) {
  std::set<std::string> seen;
  for (auto& [name, tensor] : tensors) {
    if (name == "__metadata__") throw UsageError("save_safetensors: a tensor may not be named \"__metadata__\".");
    if (!seen.insert(name).second)
      throw UsageError(fmt::format("save_safetensors: two tensors are named \"{}\".", name));
    check_has_value(tensor, "save_safetensors", name);
  }
  seen.clear();
  for (auto& [key, text] : metadata)
    if (!seen.insert(key).second)
      throw UsageError(fmt::format("save_safetensors: metadata \"{}\" is there twice.", key));
}

void save_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata, Where where) {
  CallSite site(where);
  check_names(tensors, metadata);
  // Wide types come first in the data, so that each tensor is aligned to its element; the header keeps the user's
  // order.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < tensors.size(); ++i) order.push_back(i);
  auto width = [&](std::size_t i) { return size_of(tensors[i].second.dtype()); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return width(a) > width(b); });
  std::vector<SafetensorsEntry> entries(tensors.size());
  std::uint64_t at = 0;
  for (std::size_t i : order) {
    auto& [name, tensor] = tensors[i];
    std::uint64_t end = at + std::uint64_t(tensor.size()) * width(i);
    entries[i] = {name, tensor.dtype(), tensor.shape(), at, end};
    at = end;
  }
  std::string header = safetensors_header_text("save_safetensors", entries, metadata);
  OutputFile file({"save_safetensors", path});
  file.write(header);
  for (std::size_t i : order) {
    Tensor dense = dense_on_cpu(tensors[i].second, "save_safetensors", tensors[i].first);
    file.write(dense.data<std::byte>(), std::size_t(entries[i].end - entries[i].begin));
  }
  file.commit();
}

NamedTensors load_safetensors(const std::string& path, Where where) {
  CallSite site(where);
  InputFile file({"load_safetensors", path});
  SafetensorsHeader header = read_safetensors_header(file);
  NamedTensors tensors;
  for (auto& e : header.entries) {
    FileSource in(file, header.data_at + e.begin, header.data_at + e.end, file.context());
    tensors.emplace_back(e.name, read_values(in, e.shape, e.dtype, false, fmt::format("tensor \"{}\"", e.name)));
  }
  return tensors;
}

Metadata load_safetensors_metadata(const std::string& path, Where where) {
  CallSite site(where);
  InputFile file({"load_safetensors_metadata", path});
  return read_safetensors_header(file).metadata;
}

}  // namespace tapir::io
