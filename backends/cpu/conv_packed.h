// Kernels in the layouts of algorithms, kept for as long as the same kernel value is used again and again: inference.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

namespace tapir::cpu {

/// Memory of a packed kernel.
using PackedKernel = std::shared_ptr<std::byte[]>;

/// The packed kernel of `key`, which names the kernel's value (Tensor ids are never used twice) and the layout. Null if
/// there is none.
PackedKernel find_packed(const std::string& key);
/// Asked after a miss: was `key` missed before, not long ago? A kernel that is being trained is seen once for each of
/// its values and is not worth keeping.
bool worth_packing(const std::string& key);
/// Keeps a packed kernel of `bytes`; the least recently used go once all together pass 256 MiB.
void keep_packed(const std::string& key, PackedKernel kernel, std::size_t bytes);
/// Memory for one that is kept, which tensors' figures do not count: it may outlive every tensor.
PackedKernel packed_memory(std::size_t bytes);

}  // namespace tapir::cpu
