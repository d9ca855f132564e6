// The menu on small screens, and a search over the sections of all pages (search_index.js: [page, anchor, title, text]).
const found = document.getElementById("found"), box = document.getElementById("search");

document.getElementById("menu").onclick = () => document.body.classList.toggle("open");

box.oninput = () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const scored = !words.length ? [] : SECTIONS.map(section => {
    const title = section[2].toLowerCase(), text = section[3];
    let score = 0;
    for (const word of words) {
      if (title.includes(word)) score += title === word ? 9 : 4;
      else if (text.includes(word)) score += 1;
      else return null;
    }
    return [score, section];
  }).filter(Boolean).sort((a, b) => b[0] - a[0]).slice(0, 20);
  found.replaceChildren(...scored.map(([, [page, anchor, title]]) => {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = page + (anchor ? "#" + anchor : "");
    link.textContent = title;
    item.append(link, " ", page.replace(".html", ""));
    return item;
  }));
  if (words.length && !scored.length) found.textContent = "Nothing has all of these words.";
  found.hidden = !words.length;
};
document.addEventListener("keydown", event => {
  if (event.key === "Escape") box.value = "", found.hidden = true;
  if (event.key === "/" && document.activeElement !== box) event.preventDefault(), box.focus();
});
found.onclick = () => found.hidden = true;
