#include <tapir/nn/callbacks.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace tapir::nn::callbacks {

CSVLogger::CSVLogger(std::string path, const CSVLoggerOptions& options) : path_(std::move(path)), options_(options) {}

// Opened for each line, so that what was written stays if the process dies.
void CSVLogger::write(const char* how, const std::string& line) const {
  if (!params().writes) return;
  std::FILE* file = std::fopen(path_.c_str(), how);
  const bool written = file && std::fwrite(line.data(), 1, line.size(), file) == line.size();
  if (!file || std::fclose(file) != 0 || !written)
    throw FileError(fmt::format("CSVLogger: {}: {}.", path_, std::strerror(errno)));
}

void CSVLogger::on_train_begin() {
  names_.clear();
  std::error_code none;
  header_ = !options_.append || !std::filesystem::exists(path_, none) || std::filesystem::file_size(path_, none) == 0;
  write(options_.append ? "a" : "w", "");
}

void CSVLogger::on_epoch_end(int epoch, Logs& logs) {
  std::string line;
  if (names_.empty()) {
    for (auto& [name, value] : logs) names_.push_back(name);
    std::sort(names_.begin(), names_.end());
    if (header_) {
      line = "epoch";
      for (auto& name : names_) line += options_.separator + name;
      line += "\n";
    }
  }
  line += std::to_string(epoch);
  for (auto& name : names_) line += options_.separator + (logs.contains(name) ? fmt::format("{}", logs[name]) : "NA");
  write("a", line + "\n");
}

}  // namespace tapir::nn::callbacks
