// The frame of an HTML page: one file, no scripts, nothing to fetch. It is well-formed XML too.
#pragma once
#include <string>

namespace tapir::look {

/// A page around `body`, which is markup, with the house's style.
std::string page(const std::string& title, const std::string& body);

}  // namespace tapir::look
