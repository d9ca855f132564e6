// The page that `tapir graph` writes: one drawing at a time, which moves, zooms and can be searched.
#pragma once
#include <tapir/look/drawing.h>

namespace tapir::command {

/// One file of HTML: needs no network and no other file.
std::string graph_page(const std::string& title, const std::vector<look::Drawing>& drawings);

}  // namespace tapir::command
