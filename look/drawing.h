// A drawing: boxes of text and lines between them, as SVG. What plot_model() and drawings of graphs are made of.
#pragma once
#include <string>
#include <vector>

namespace tapir::look {

struct Box {
  std::vector<std::string> lines;  ///< the first one is the heading
  /// Picks the colour: "input", "output", "weight", "op", "conv", "dense", "norm", "pool", "activation", "shape",
  /// "group". Any other is as "op".
  std::string kind = "op";
  std::string tip = "";  ///< shown while the mouse rests on it
};
/// From box to box, by number.
struct Link {
  int from, to;
  std::string tip = "";
};
struct Drawing {
  std::string title;  ///< for readers of the screen, and of the page
  std::vector<Box> boxes;
  std::vector<Link> links;
};
struct DrawingOptions {
  bool left_to_right = false;     ///< else from the top down
  std::size_t longest_line = 48;  ///< in characters; the tip has the rest
};

/// One `<svg>` element that is a file of its own: its colours follow the reader's choice of light or dark. Names may be
/// anything, they are escaped. Links must be between boxes that are there.
std::string to_svg(const Drawing& drawing, const DrawingOptions& options = {});
/// An HTML page of drawings, one after the other under their titles, without scripts and without anything to fetch.
std::string to_page(const std::string& title, const std::vector<Drawing>& drawings, const DrawingOptions& options = {});

}  // namespace tapir::look
