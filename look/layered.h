// Where boxes and the lines between them go: in layers, each box below those it depends on.
#pragma once
#include <span>
#include <utility>
#include <vector>

namespace tapir::look {

struct Size {
  double width = 0, height = 0;
};
struct Point {
  double x = 0, y = 0;
};

struct LayoutOptions {
  bool left_to_right = false;  ///< layers are columns
  double gap = 24;             ///< between neighbours of a layer
  double layer_gap = 34;       ///< between layers, where lines run
};

struct Layout {
  std::vector<Point> at;                   ///< the upper left corner of each box
  std::vector<std::vector<Point>> routes;  ///< of each link, from box to box; straight where it passes a layer
  double width = 0, height = 0;
};

/// After Sugiyama, Tagawa and Toda (1981): layers by the longest path, fewer crossings by barycentres, then places that
/// keep lines short and long lines straight (least squares under the order, by pooling neighbours that collide). Links
/// are pairs of box numbers; those that close a circle are drawn backwards, those from a box to itself have no route.
Layout layered(std::span<const Size> boxes, std::span<const std::pair<int, int>> links,
               const LayoutOptions& options = {});

}  // namespace tapir::look
