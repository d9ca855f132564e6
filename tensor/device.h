// Where a tensor lives.
#pragma once
#include <cstdint>
#include <iosfwd>
#include <string>

namespace tapir {

/// Who computes.
enum class Backend : std::uint8_t { cpu, cuda };
inline constexpr int backend_count = 2;

/// `Device::cpu()` or `Device::cuda(index)`.
struct Device {
  Backend backend = Backend::cpu;
  std::int16_t index = 0;

  static constexpr Device cpu() { return {}; }
  static constexpr Device cuda(int index = 0) { return {Backend::cuda, std::int16_t(index)}; }
  friend constexpr bool operator==(const Device&, const Device&) = default;
  /// "cpu", "cuda:0"
  std::string str() const;
  friend std::ostream& operator<<(std::ostream& os, const Device& d);
};

}  // namespace tapir
