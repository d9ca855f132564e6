// What Device::cuda() answers where something is missing; the environment says what. usage: cuda_missing TEXT
#include <tapir/tapir.h>

#include <cstdio>
#include <string>

int main(int, char** argv) {
  using namespace tapir;
  const std::string expected = argv[1];
  try {
    (void)ones({3}).to(Device::cuda());
  } catch (const DeviceError& e) {
    const std::string said = e.what(), end = ": to: cuda:0 is not there; " + expected;
    const bool right = said.ends_with(end) && said.starts_with("cuda_missing.cpp:") && cuda_device_count() == 0 &&
                       cuda_missing() + "." == expected && !library_info().cuda;
    if (!right) std::printf("expected: ...%s\n     got: %s\n", end.c_str(), said.c_str());
    // And life goes on.
    return right && sum(ones({3})).item<float>() == 3 ? 0 : 1;
  }
  std::puts("nothing was thrown");
  return 1;
}
