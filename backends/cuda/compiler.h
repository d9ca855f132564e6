// Texts become kernels at run time: by NVRTC and the driver in libtapir_cuda.so (compiler.cpp), by the machine's C++
// compiler in the double of the tests (test/backends/cuda/double_compiler.cpp).
#pragma once
#include <tapir/backends/cuda/fused_args.h>

#include <string>

namespace tapir::cuda {

/// Null, or why nothing can be compiled here. What it needs is loaded at the first call.
const char* compiler_missing();
/// What an image depends on besides its text, for the current device: "NVRTC 13.0, sm_90".
std::string compiler_target();
/// The image of a text for the current device. False: `log` is what the compiler says.
bool compile(const std::string& text, std::string& image, std::string& log);
/// The kernel `tapir_fused` of an image, on the current device, where it stays. Null if it cannot be loaded.
void* load_image(const std::string& image);
/// Gives the kernel to the current stream. Throws DeviceError.
void launch_fused(void* kernel, unsigned blocks, const FusedArgs& args);

}  // namespace tapir::cuda
