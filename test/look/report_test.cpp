// What is in a report, and what is refused. pages.py checks that pages are well-formed; `./dev interop` looks at them.
#include <tapir/tapir.h>
#include <tapir/test/io/files.h>

#include <cmath>

using namespace tapir;
using files::error_of;
using files::TempFolder;

namespace {

nn::History history(const std::vector<std::pair<std::string, std::vector<double>>>& values) {
  nn::History h;
  for (auto& [name, v] : values) h.at_or_new(name) = v;
  return h;
}

int count(const std::string& text, const std::string& part) {
  int n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}
bool has(const std::string& text, const std::string& part) { return count(text, part) > 0; }

}  // namespace

TEST_CASE("curves: a chart for each metric, loss first, validation beside training") {
  const auto h = history({{"accuracy", {0.5, 0.75, 0.7}},
                          {"loss", {1, 0.5, 0.25}},
                          {"val_accuracy", {0.4, 0.6, 0.65}},
                          {"val_loss", {1.5, 1, 1.25}},
                          {"lr", {0.1, 0.1, 0.1}}});
  const std::string html = report::curves(h).html;
  CHECK(count(html, "<figure class=\"chart\">") == 3);
  CHECK(count(html, "class=\"line\"") == 5);
  CHECK(count(html, "<circle") == 15);
  CHECK(html.find("<b>loss</b>") < html.find("<b>accuracy</b>"));
  CHECK(has(html, "<title>val_loss, epoch 2: 1</title>"));
  CHECK(has(html, "loss: at last 0.25, best 0.25 in epoch 3<br />val_loss: at last 1.25, best 1 in epoch 2"));
  CHECK(has(html, "accuracy: at last 0.7, best 0.75 in epoch 2"));
  CHECK(has(html, "lr: at last 0.1<"));  // neither larger nor smaller is better
  const std::string one = report::curves(h, {.title = "", .metrics = {"accuracy"}, .first_epoch = 11}).html;
  CHECK(count(one, "<figure") == 1);
  CHECK(has(one, "epoch 13: 0.7"));
  CHECK_FALSE(has(one, "<h2>"));
}

TEST_CASE("curves of odd values") {
  const double inf = HUGE_VAL;
  const std::string gaps = report::curves(history({{"loss", {1, NAN, 0.5, inf, 0.25, 0.125}}})).html;
  CHECK(count(gaps, "<circle") == 4);
  const std::size_t line = gaps.find("class=\"line\" d=\"");
  const std::string path = gaps.substr(line + 16, gaps.find('"', line + 16) - line - 16);
  CHECK(count(path, "M") == 3);
  CHECK(count(path, "L") == 1);
  CHECK(has(report::curves(history({{"loss", {NAN, NAN}}})).html, "no finite values"));
  CHECK(has(report::curves(history({{"loss", {}}})).html, "no values"));
  for (auto values : {std::vector<double>{3}, {0, 0, 0}, {1e30, -1e30}, {1e-30, 2e-30}, {5, 5}, {-1, -2, -3}}) {
    const std::string html = report::curves(history({{"loss", values}})).html;
    CHECK(count(html, "<circle") == int(values.size()));
    CHECK_FALSE(has(html, "nan"));
    CHECK_FALSE(has(html, "inf"));
    CHECK(count(html, "class=\"grid\"") >= 2);
    CHECK(count(html, "class=\"grid\"") <= 12);
  }
  const std::string log = report::curves(history({{"loss", {1000, 10, 0.1}}}), {.log_scale = true}).html;
  CHECK(has(log, ">100<"));
  CHECK(has(log, ">0.1<"));
}

TEST_CASE("a confusion matrix: counts, shares, recall and precision") {
  const Tensor m = tensor({{8, 2}, {1, 0}});
  const std::string html = report::confusion(m, {.labels = {"cat", "<dog>"}}).html;
  CHECK(has(html, "title=\"cat taken for cat: 8\">8</td>"));
  CHECK(has(html, "title=\"cat taken for &lt;dog&gt;: 2\">2</td>"));
  CHECK(has(html, "--share:0.894"));  // sqrt(8 / 10)
  CHECK(has(html, "<td class=\"sum\">80.0 %</td>"));
  CHECK(has(html, "<th>precision</th><td>88.9 %</td><td>0.0 %</td>"));
  CHECK(has(html, "taken for &lt;dog&gt;: 0\"></td>"));  // zeros stay blank
  CHECK(has(report::confusion(zeros({2, 2})).html, "<td class=\"sum\">–</td>"));
  CHECK(has(report::confusion(tensor({{0.5f}})).html, ">0.5</td>"));
  CHECK(has(report::confusion(zeros({40, 40}, DType::i32)).html, "matrix dense"));
}

TEST_CASE("pictures, with captions") {
  const std::string html =
      report::images(zeros({2, 4, 8, 1}, DType::u8), {.captions = {"a & b", "\"c\""}, .width = 40}).html;
  CHECK(count(html, "<img src=\"data:image/png;base64,iVBORw0KGgo") == 2);
  CHECK(has(html, "alt=\"a &amp; b\" width=\"40\" height=\"20\""));
  CHECK(has(html, "<figcaption>&quot;c&quot;</figcaption>"));
  const std::string some = report::images(zeros({5, 2, 2, 3}), {.most = 3}).html;
  CHECK(count(some, "<img") == 3);
  CHECK(has(some, "The first 3 of 5."));
}

TEST_CASE("texts are texts") {
  CHECK(report::text("one <b>\n\ntwo").html == "<p>one &lt;b&gt;</p>\n<p>two</p>\n");
  CHECK(report::text("").html.empty());
  CHECK(report::heading("<h>").html == "<h2>&lt;h&gt;</h2>\n");
  CHECK(report::code("a < b\n  c").html == "<pre>a &lt; b\n  c</pre>\n");
  CHECK(has(report::facts({{"<n>", "<v>"}}).html, "<dt>&lt;n&gt;</dt><dd>&lt;v&gt;</dd>"));
  CHECK(
      has(report::table({"<h>"}, {{"<c>"}}).html, "<th>&lt;h&gt;</th></tr></thead>\n<tbody>\n<tr><td>&lt;c&gt;</td>"));
}

TEST_CASE("a page") {
  TempFolder folder;
  nn::Sequential model{nn::Dense(2)};
  model.build({3});
  report::write(folder / "page.html", {report::text("hello"), report::model(model)}, {.title = "A <title>"});
  const std::string page = files::bytes_of(folder / "page.html");
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(has(page, "<title>A &lt;title&gt;</title>"));
  CHECK(has(page, "<p>hello</p>"));
  CHECK(has(page, "dense"));
  CHECK_FALSE(has(page, "<script"));
  CHECK_FALSE(has(page, "http://localhost"));
  CHECK(count(page, "src=") + count(page, "href=") + count(page, "url(") == 0);  // nothing to fetch
  report::write(folder / "page.html", {});
  CHECK_FALSE(has(files::bytes_of(folder / "page.html"), "hello"));
  CHECK(folder.count() == 1);
}

TEST_CASE("errors") {
  TempFolder folder;
  CHECK(error_of<UsageError>([] { report::curves({}); }) == "curves: the history is empty.");
  CHECK(error_of<UsageError>([] {
          report::curves(history({{"loss", {1}}}), {.metrics = {"mse"}});
        }) == "results: there is no 'mse'. There are: loss.");
  CHECK(error_of<UsageError>([] {
          report::curves(history({{"loss", {1, 0}}}), {.log_scale = true});
        }) == "curves: log_scale, but loss has 0 in epoch 2.");
  CHECK(error_of<ShapeError>([] {
          report::confusion(ones({2, 3}));
        }) == "confusion: the matrix must be [classes, classes], got [2, 3].");
  CHECK(error_of<ShapeError>([] {
          report::confusion(ones({2, 2}), {.labels = {"a"}});
        }) == "confusion: 1 labels for 2 classes.");
  CHECK(error_of<ShapeError>([] {
          report::images(ones({2, 2, 2, 1}), {.captions = {"a"}});
        }) == "images: 1 captions for 2 images.");
  CHECK(error_of<UsageError>([] {
          report::images(ones({2, 2, 2, 1}), {.width = 0});
        }) == "images: width must be at least 1, got 0.");
  CHECK(error_of<ShapeError>([] {
          report::table({"a", "b"}, {{"1", "2"}, {"3"}});
        }) == "table: row 1 has 1 cells, the header 2.");
  CHECK(error_of<FileError>([&] {
          report::write(folder / "no/page.html", {});
        }).starts_with("report: " + folder / "no/page.html" + ": cannot be written"));
}
