// NVRTC, CUDA's compiler as a library, loaded when first needed. It needs no GPU.
#pragma once
#include <string>

namespace tapir::cuda {

/// Null, or why it could not be loaded.
const char* nvrtc_missing();
/// "NVRTC 13.0"
std::string nvrtc_version();
/// For "sm_90": the architecture itself if this NVRTC knows it, else the newest before it, as "compute_80": PTX, which
/// the driver translates. Empty: there is none.
std::string nvrtc_target(int major, int minor);
/// `target` as above: a CUBIN for sm_*, PTX for compute_*. False: `log` is what NVRTC says.
bool nvrtc_compile(const std::string& text, const std::string& target, std::string& image, std::string& log);

}  // namespace tapir::cuda
