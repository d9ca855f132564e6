#include <tapir/backends/cpu/isa.h>
#include <tapir/tensor/cuda.h>
#include <tapir/tensor/library_info.h>
#include <tapir/tensor/threads.h>
#ifdef TAPIR_ONEDNN
#include <oneapi/dnnl/dnnl.h>
#endif

namespace tapir {

LibraryInfo library_info() {
  LibraryInfo info;
  info.version = TAPIR_VERSION;
  info.cpu = cpu::processor_name();
  const auto level = [](cpu::Isa isa) { return std::string("x86-64-") + cpu::name_of(isa); };
  info.cpu_isa = level(cpu::processor_isa());
  info.isa = level(cpu::isa());
  info.threads = num_threads();
#ifdef TAPIR_ONEDNN
  const auto* v = dnnl_version();  // of the library that is loaded, not of the header
  info.onednn = std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
#endif
  info.cuda = cuda_device_count() > 0;
  return info;
}

}  // namespace tapir
