#include <tapir/look/markup.h>
#include <tapir/look/page.h>

#include <fmt/format.h>

namespace tapir::look {

// `.cards`: side by side where there is room. `.wide`: scrolls by itself, so that the page does not.
static const char* const kRules = R"(
html{color-scheme:light dark}
body{margin:0;background:var(--paper);color:var(--ink);
  font:16px/1.5 system-ui,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0 1rem}
h2{font-size:1.2rem;margin:2.2rem 0 .7rem}
p{max-width:46rem;margin:.6rem 0}
.soft{color:var(--soft);font-size:.85rem}
.cards{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,25rem),1fr))}
.wide{overflow-x:auto;margin:.8rem 0}
.wide>svg{display:block;margin:0 auto;max-width:none}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}
thead th{color:var(--soft);font-weight:600}
.facts{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}
.facts div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.5rem .9rem;min-width:7rem}
.facts dt{color:var(--soft);font-size:.82rem}
.facts dd{margin:0;font-size:1.3rem;font-variant-numeric:tabular-nums}
.chart{margin:0;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem}
.chart figcaption{display:flex;flex-wrap:wrap;gap:.2rem 1rem;align-items:baseline}
.chart figcaption span{font-size:.82rem;color:var(--soft)}
.chart figcaption i{display:inline-block;width:.9em;height:.28em;border-radius:2px;margin-right:.4em;
  vertical-align:middle}
.chart svg{display:block;width:100%;height:auto;margin:.4rem 0}
.chart p{margin:0;overflow-wrap:anywhere}
.grid{stroke:var(--line);fill:none}
.mark{fill:var(--soft);font-size:12.5px}
@media (max-width:34rem){.mark{font-size:16px}}
.line{fill:none;stroke:var(--mine);stroke-width:2;stroke-linejoin:round}
circle{fill:var(--mine)}
.matrix{font-size:.86rem;border-collapse:separate;border-spacing:2px}
.matrix th,.matrix td{border:0;padding:.3rem .45rem;text-align:center;min-width:1.9rem;color:var(--ink)}
.matrix th{font-weight:600}
.matrix thead th:first-child,.matrix tfoot *,.matrix .sum,.matrix thead th:last-child{color:var(--soft);font-weight:400}
.matrix .right{background:rgba(var(--heat),calc(var(--share)*.6))}
.matrix .wrong{background:rgba(var(--miss),calc(var(--share)*.9))}
.matrix td{border-radius:4px}
.dense td,.dense th{min-width:.35rem;padding:.25rem;font-size:.5rem;line-height:1}
.pictures{display:flex;flex-wrap:wrap;gap:.8rem}
.pictures figure{margin:0;text-align:center;font-size:.8rem;color:var(--soft)}
.pictures img{display:block;margin:0 auto .25rem;image-rendering:pixelated;border:1px solid var(--line);
  border-radius:4px}
pre{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:6px;padding:.8rem;
  font:13px/1.35 'DejaVu Sans Mono',Consolas,monospace}
)";

std::string page(const std::string& title, const std::string& body) {
  const std::string name = escaped(title);
  return fmt::format(
      "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\" />\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n<title>{}</title>\n"
      "<style>\n{}{}</style>\n</head>\n<body class=\"tp\">\n<main>\n<h1>{}</h1>\n{}</main>\n</body>\n</html>\n",
      name, colour_rules(), kRules, name, body);
}

}  // namespace tapir::look
