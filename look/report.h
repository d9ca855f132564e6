// A page about a training: curves, a confusion matrix, pictures, tables, in one HTML file without scripts, which needs
// no network and can be mailed.
//
//     report::write("digits.html",
//                   {report::facts({{"test accuracy", "96.2 %"}}), report::curves(history), report::model(model),
//                    report::confusion(confusion_matrix(labels, said)), report::images(wrong, {.captions = captions})},
//                   {.title = "Digits"});
#pragma once
#include <tapir/look/plot_model.h>
#include <tapir/nn/history.h>
#include <tapir/tensor/tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace tapir::report {

/// A part of the page. Names and texts may be anything; they are shown as they are and never taken for markup.
struct Section {
  std::string html;
};

/// Paragraphs, with an empty line between them.
Section text(const std::string& paragraphs);
/// A heading above what follows.
Section heading(const std::string& text);
/// Names and values side by side: {{"test accuracy", "96.2 %"}, ...}.
Section facts(const std::vector<std::pair<std::string, std::string>>& facts);
/// A table; each row as long as the header. Throws ShapeError.
Section table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
              Where where = Where::current());
/// Text as it is, in a font of equal widths: model.summary_text(), profile.summary().
Section code(const std::string& text);
/// Markup of your own, well-formed as XML.
Section html(std::string markup);

struct CurvesOptions {
  std::string title = "Curves";
  std::vector<std::string> metrics = {};  ///< "loss", "accuracy"; empty: all, loss first
  bool log_scale = false;                 ///< for values above 0
  int first_epoch = 1;                    ///< what the first value is called
};
/// What fit() gives, a chart for each metric with training and validation ("val_...") as two lines. Values that are not
/// finite leave gaps. Throws UsageError if the history is empty, for a metric that it does not have, and where a
/// logarithm of 0 or less is asked for.
Section curves(const nn::History& history, const CurvesOptions& options = {}, Where where = Where::current());

struct ConfusionOptions {
  std::string title = "Confusion matrix";
  std::vector<std::string> labels = {};  ///< of the classes; empty: their numbers
};
/// The matrix [classes, classes] that confusion_matrix() gives, each row coloured by its shares, with recall (the share
/// of a row that is right) and precision (of a column). Throws ShapeError if it is not square, or the labels are not as
/// many.
Section confusion(const Tensor& matrix, const ConfusionOptions& options = {}, Where where = Where::current());

struct ImagesOptions {
  std::string title = "";
  std::vector<std::string> captions = {};  ///< one each, or none
  int width = 84;                          ///< of each, in pixels of the page
  std::int64_t most = 200;                 ///< of the pictures
};
/// Pictures [N, H, W, C], C from 1 (grey) to 4 (RGB and alpha): u8, bool, or floating from 0 to 1. Throws ShapeError,
/// DTypeError.
Section images(const Tensor& images, const ImagesOptions& options = {}, Where where = Where::current());

/// What nn::plot_model() draws.
Section model(nn::Layer& model, const nn::PlotOptions& options = {}, Where where = Where::current());

struct PageOptions {
  std::string title = "Report";
};
/// Writes the page; it appears whole or not at all. Throws FileError.
void write(const std::string& path, const std::vector<Section>& sections, const PageOptions& options = {},
           Where where = Where::current());

}  // namespace tapir::report
