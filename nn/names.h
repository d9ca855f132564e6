// Names: of layers made up from their types, and of activations, losses and the like looked up with help for a typo.
#pragma once
#include <initializer_list>
#include <string>
#include <vector>

namespace tapir::nn::detail {

/// As Keras: "Conv2D" -> "conv2d", "MaxPooling2D" -> "max_pooling2d", "ReLU" -> "re_lu".
std::string snake_case(const std::string& type);
/// A null name is one that nothing has.
inline const char* text_of(const char* name) { return name ? name : ""; }
/// "conv2d", then "conv2d_1", "conv2d_2", ... in this process.
std::string unique_name(const std::string& base);
/// Throws UsageError: `activation: there is no 'rleu'. Did you mean 'relu'? There are: elu, ...`
[[noreturn]] void unknown_name(const char* what, const std::string& name, const std::vector<std::string>& known);

}  // namespace tapir::nn::detail
