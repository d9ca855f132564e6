// Intersection over union: how well areas of classes lie upon each other.
#pragma once
#include <tapir/nn/metrics.h>

#include <optional>

namespace tapir::nn::metrics {

struct IoUOptions {
  std::optional<std::int64_t> ignore_class = {};  ///< places where y_true is this class do not count
  bool sparse_y_true = true;                      ///< class numbers; false: one-hot, or scores, along `axis`
  bool sparse_y_pred = true;
  int axis = -1;
  std::string name = "";  ///< "io_u", "mean_io_u", "binary_io_u" as Keras calls them
};
/// Of each class tp / (tp + fp + fn), averaged over those of `target_class_ids` that occur. y_true and y_pred: class
/// numbers of any shape; others than [0, num_classes) do not count. Weights count as they are, where Keras takes them
/// as integers.
class IoU : public Metric {
 public:
  IoU(std::int64_t num_classes, const std::vector<std::int64_t>& target_class_ids, const IoUOptions& options = {},
      Where where = Where::current());
};
/// The same of all classes.
class MeanIoU : public Metric {
 public:
  explicit MeanIoU(std::int64_t num_classes, const IoUOptions& options = {}, Where where = Where::current());
};

struct BinaryIoUOptions {
  std::vector<std::int64_t> target_class_ids = {0, 1};
  double threshold = 0.5;  ///< y_pred is of class 1 from here on
  std::string name = "binary_io_u";
};
/// The same of two classes, y_pred being the probability of the second.
class BinaryIoU : public Metric {
 public:
  explicit BinaryIoU(const BinaryIoUOptions& options = {}, Where where = Where::current());
};

struct OneHotIoUOptions {
  std::optional<std::int64_t> ignore_class = {};
  bool sparse_y_pred = false;  ///< true: y_pred are class numbers
  int axis = -1;
  std::string name = "";  ///< "one_hot_io_u", "one_hot_mean_io_u"
};
/// IoU of y_true and y_pred that have a dimension of classes, whose largest value is that of the class.
class OneHotIoU : public Metric {
 public:
  OneHotIoU(std::int64_t num_classes, const std::vector<std::int64_t>& target_class_ids,
            const OneHotIoUOptions& options = {}, Where where = Where::current());
};
/// The same of all classes.
class OneHotMeanIoU : public Metric {
 public:
  explicit OneHotMeanIoU(std::int64_t num_classes, const OneHotIoUOptions& options = {},
                         Where where = Where::current());
};

}  // namespace tapir::nn::metrics
