"use strict";
const queries = [...document.querySelectorAll("details.query")];
const search = document.querySelector("#search");
const filters = [...document.querySelectorAll("button[data-outcome]")];

function narrow() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = filters.filter((button) => button.getAttribute("aria-pressed") === "true").map((button) => button.dataset.outcome);
  for (const query of queries) {
    const text = query.dataset.search.toLowerCase();
    query.hidden = !words.every((word) => text.includes(word)) || (wanted.length > 0 && !wanted.includes(query.dataset.outcome));
  }
  for (const spec of document.querySelectorAll("section.spec")) {
    spec.hidden = !spec.querySelector("details.query:not([hidden])");
  }
}

if (search) {
  search.addEventListener("input", narrow);
  for (const button of filters) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
      narrow();
    });
  }
  const unfold = document.querySelector("#unfold");
  unfold.addEventListener("click", () => {
    const open = !queries.every((query) => query.open);
    for (const query of queries) query.open = open;
  });
}
const save = document.querySelector("#save");
if (save) {
  save.addEventListener("click", () => {
    const link = document.createElement("a");
    const text = document.querySelector("#report").textContent;
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "velo-report.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  document.querySelector(".tools").hidden = false;
}
for (const link of document.querySelectorAll("a[href^='#q']")) {
  link.addEventListener("click", () => {
    const target = document.querySelector(link.getAttribute("href"));
    if (target) target.open = true;
  });
}
