"use strict";
(() => {
  const table = document.getElementById("tensors");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.querySelectorAll(":scope > tr.row")].map((row) => ({ row, detail: row.nextElementSibling }));
  const filter = document.getElementById("filter");
  const choices = [...document.querySelectorAll("[data-filter]")];

  const open = (item, wanted) => {
    item.detail.hidden = !wanted;
    item.row.querySelector(".open").setAttribute("aria-expanded", wanted);
  };
  const isOpen = (item) => item.row.querySelector(".open").getAttribute("aria-expanded") === "true";

  const matches = (item, words, choice) => {
    const status = item.row.dataset.status;
    const chosen = choice === "all" || choice === status || (choice === "failing" && status !== "pass");
    const text = item.row.querySelector(".tensor").textContent.toLowerCase();
    return chosen && words.every((word) => text.includes(word));
  };
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const choice = choices.find((button) => button.getAttribute("aria-pressed") === "true").dataset.filter;
    let count = 0;
    for (const item of rows) {
      const shown = matches(item, words, choice);
      item.row.hidden = !shown;
      item.detail.hidden = !shown || !isOpen(item);
      count += shown;
    }
    document.getElementById("shown").textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
    document.getElementById("none").hidden = count > 0;
  };
  const choose = (name) => {
    choices.forEach((button) => button.setAttribute("aria-pressed", button.dataset.filter === name));
    show();
  };

  // What has no number comes last, whichever way the others are sorted.
  const compare = (column, sign) => (a, b) => {
    const [x, y] = [a, b].map((item) => item.row.cells[column].dataset.value);
    if (heads[column].matches(".tensor")) return sign * x.localeCompare(y, undefined, { numeric: true });
    const number = (text) => (text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text));
    const [p, q] = [number(x), number(y)];
    if (Number.isNaN(p) || Number.isNaN(q)) return Number.isNaN(p) - Number.isNaN(q);
    return p === q ? 0 : sign * (p < q ? -1 : 1);
  };
  const sort = (column) => {
    const now = heads[column].getAttribute("aria-sort");
    // Of most numbers the large ones are what one looks for; of the others the small ones.
    const first = heads[column].matches(".max, .steps") ? "descending" : "ascending";
    const next = now === null ? first : now === "ascending" ? "descending" : "ascending";
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", next);
    const sorted = [...rows].sort(compare(column, next === "ascending" ? 1 : -1));
    body.append(...sorted.flatMap((item) => [item.row, item.detail]));
  };

  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => sort(column)));
  filter.addEventListener("input", show);
  choices.forEach((button) => button.addEventListener("click", () => choose(button.dataset.filter)));
  for (const item of rows) {
    item.row.addEventListener("click", () => {
      if (String(getSelection()) === "") open(item, !isOpen(item));
    });
    open(item, false);
  }
  // A link into the table opens its tensor, whatever the filter hides.
  const follow = () => {
    const item = rows.find((item) => `#${item.row.id}` === location.hash);
    if (!item) return;
    if (item.row.hidden) {
      filter.value = "";
      choose("all");
    }
    open(item, true);
    item.row.scrollIntoView({ block: "start" });
  };
  for (const graph of document.querySelectorAll(".scroll")) {
    graph.scrollLeft = (graph.scrollWidth - graph.clientWidth) / 2;
  }
  addEventListener("hashchange", follow);
  follow();
})();
