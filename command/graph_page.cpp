#include <tapir/command/graph_page.h>
#include <tapir/look/markup.h>

namespace tapir::command {
namespace {

constexpr const char* kStyle = R"css(
html { color-scheme: light dark; }
html, body { margin: 0; height: 100%; background: var(--paper); color: var(--ink);
  font: 14px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; }
body { display: flex; flex-direction: column; }
header { display: flex; gap: 10px; align-items: center; flex-wrap: wrap; padding: 8px 12px; background: var(--card);
  border-bottom: 1px solid var(--line); }
header h1 { font-size: 15px; margin: 0 8px 0 0; }
header input { width: 15em; }
header select { max-width: 30em; }
header input, header select, header button { font: inherit; color: inherit; padding: 3px 8px;
  border: 1px solid var(--line); border-radius: 4px; background: var(--paper); }
#count, .key { color: var(--soft); }
.key { margin-left: auto; font-size: 12px; }
#desk { flex: 1; overflow: hidden; position: relative; cursor: grab; touch-action: none; user-select: none; }
#desk.moving { cursor: grabbing; }
.sheet { position: absolute; left: 0; top: 0; transform-origin: 0 0; }
.sheet svg { display: block; }
.drawing .found > .box { stroke: var(--c1); stroke-width: 3; }
)css";

constexpr const char* kScript = R"js(
const $ = id => document.getElementById(id);
const desk = $('desk'), tabs = $('tabs'), search = $('search'), count = $('count');
const sheets = [...document.querySelectorAll('.sheet')];
let sheet, x = 0, y = 0, scale = 1, hits = [], hit = -1;
const boxes = () => [...sheet.querySelectorAll('rect.box')].map(r => r.parentNode);
function put() { sheet.style.transform = `translate(${x}px,${y}px) scale(${scale})`; }
function fit(whole) {
  const svg = sheet.querySelector('svg'), w = svg.width.baseVal.value, h = svg.height.baseVal.value;
  const wide = desk.clientWidth / w, high = desk.clientHeight / h;
  scale = Math.min(1, whole ? Math.min(wide, high) : Math.max(0.7, wide));
  x = (desk.clientWidth - w * scale) / 2;
  y = Math.max(0, (desk.clientHeight - h * scale) / 2);
  put();
}
function show(i) {
  sheets.forEach((s, k) => s.style.display = k == i ? '' : 'none');
  sheet = sheets[i]; tabs.selectedIndex = i; fit(false); find();
}
function zoom(factor, cx, cy) {
  const s = Math.min(4, Math.max(0.02, scale * factor));
  x = cx - (cx - x) * s / scale; y = cy - (cy - y) * s / scale; scale = s; put();
}
function go(box) {
  const d = desk.getBoundingClientRect(), b = box.getBoundingClientRect();
  x += d.left + d.width / 2 - b.left - b.width / 2; y += d.top + d.height / 2 - b.top - b.height / 2; put();
}
function mark(box) {
  document.querySelectorAll('.found').forEach(b => b.classList.remove('found'));
  if (box) { box.classList.add('found'); scale = Math.max(scale, 0.7); put(); go(box); }
}
function find() {
  const word = search.value.trim().toLowerCase();
  hits = word ? boxes().filter(b => b.textContent.toLowerCase().includes(word)) : [];
  hit = -1; mark(null);
  count.textContent = word ? `${hits.length} found` : `${boxes().length} boxes`;
}
function next() {
  if (!hits.length) return;
  hit = (hit + 1) % hits.length; mark(hits[hit]);
  count.textContent = `${hit + 1} of ${hits.length}`;
}
desk.addEventListener('wheel', e => {
  e.preventDefault();
  const d = desk.getBoundingClientRect();
  if (e.shiftKey) { x -= e.deltaY; put(); }
  else zoom(Math.exp(-e.deltaY * 0.0015), e.clientX - d.left, e.clientY - d.top);
}, {passive: false});
let from = null;
desk.addEventListener('pointerdown', e => { if (e.button == 0) from = [e.clientX - x, e.clientY - y]; });
addEventListener('pointermove', e => {
  if (!from) return;
  desk.classList.add('moving'); x = e.clientX - from[0]; y = e.clientY - from[1]; put();
});
addEventListener('pointerup', () => { from = null; desk.classList.remove('moving'); });
desk.addEventListener('dblclick', e => { // "from relu #12" leads there
  const far = e.target.textContent.startsWith('from ') && e.target.textContent.slice(5);
  const goal = far && boxes().find(b => b.querySelector('.head').textContent == far);
  if (goal) mark(goal);
});
search.addEventListener('input', find);
search.addEventListener('keydown', e => { if (e.key == 'Enter') next(); });
addEventListener('keydown', e => {
  if (e.target == search) return;
  const page = desk.clientHeight * 0.9;
  const step = {ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80],
                PageDown: [0, -page], PageUp: [0, page]}[e.key];
  if (step) { x += step[0]; y += step[1]; put(); }
  else if (e.key == '/') { e.preventDefault(); search.focus(); }
  else if (e.key == '+' || e.key == '-') zoom(e.key == '+' ? 1.25 : 0.8, desk.clientWidth / 2, desk.clientHeight / 2);
  else if (e.key == '0') fit(true);
});
$('whole').onclick = () => fit(true);
$('full').onclick = () => fit(false);
tabs.onchange = () => show(tabs.selectedIndex);
if (sheets.length < 2) tabs.disabled = true;
show(0);
)js";

}  // namespace

std::string graph_page(const std::string& title, const std::vector<look::Drawing>& drawings) {
  const std::string name = look::escaped(title);
  std::string tabs, sheets;
  for (auto& d : drawings) {
    tabs += "<option>" + look::escaped(d.title) + "</option>";
    sheets += "<div class=\"sheet\">\n" + look::to_svg(d) + "</div>\n";
  }
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" + name + "</title>\n<style>" +
         look::colour_rules() + kStyle + "</style></head>\n<body class=\"tp\"><header><h1>" + name +
         "</h1><select id=\"tabs\" title=\"graph\">" + tabs +
         "</select><input id=\"search\" placeholder=\"search ( / ), Enter: next\"><span id=\"count\"></span>"
         "<button id=\"whole\">whole</button><button id=\"full\">1:1</button>"
         "<span class=\"key\">wheel: zoom. drag: move. double click on \u201cfrom \u2026\u201d: go "
         "there</span></header>\n"
         "<main id=\"desk\">\n" +
         sheets + "</main>\n<script>" + kScript + "</script></body></html>\n";
}

}  // namespace tapir::command
