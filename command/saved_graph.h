// `tapir graph`: the functions of a file as pictures.
#pragma once
#include <tapir/look/drawing.h>

#include <map>
#include <string>
#include <vector>

namespace tapir::command {

struct GraphOptions {
  std::string file, out, function;  // out: .svg or .html; empty: beside the current folder; "-": stdout
};
/// Writes the picture and says where. Throws Failure.
void draw_graph(const GraphOptions& options);

/// One drawing for each trace of each function (of the one called `function`, if any), and for each body of control
/// flow in them. `json`: what io/function_file.cpp writes; `numbers`: texts for those of its constants that are one
/// number, by their names. Throws Failure if it is something else.
std::vector<look::Drawing> drawings_of(const std::string& json, const std::string& function,
                                       const std::map<std::string, std::string>& numbers = {});

}  // namespace tapir::command
