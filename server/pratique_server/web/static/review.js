// Keys, times and the theme. Everything here makes pages handier; none of them needs it.
(() => {
  "use strict";
  const rows = () => [...document.querySelectorAll("main .row")];
  const typing = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;

  function select(step) {
    const all = rows();
    if (all.length === 0) return;
    const now = all.findIndex((row) => row.classList.contains("chosen"));
    const next = Math.min(Math.max(now + step, 0), all.length - 1);
    all.forEach((row) => row.classList.remove("chosen"));
    all[next].classList.add("chosen");
    all[next].querySelector("a.open, a")?.focus({ preventScroll: true });
    all[next].scrollIntoView({ block: "nearest" });
  }

  const chosen = () => document.querySelector("main .row.chosen");
  const go = (address) => address && window.location.assign(address);

  const keys = {
    "/": () => document.getElementById("q")?.focus(),
    j: () => select(chosen() ? 1 : 0),
    k: () => select(-1),
    o: () => go(chosen()?.querySelector("a.open, a")?.href),
    b: () => go((chosen() ?? document.querySelector("main [data-block]"))?.dataset.block),
    "?": () => document.getElementById("help")?.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const does = keys[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });

  // Times: told relative to now, and exact in whatever is copied.
  const steps = [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [1209600, 86400, "days"]];
  function ago(element) {
    const seconds = Math.floor((Date.now() - Date.parse(element.dateTime)) / 1000);
    if (Number.isNaN(seconds) || seconds < 0 || seconds >= 1209600) return;
    if (seconds < 2) { element.textContent = "just now"; return; }
    const [, unit, name] = steps.find(([below]) => seconds < below);
    const count = Math.floor(seconds / unit);
    element.textContent = `${count} ${name === "days" && count === 1 ? "day" : name} ago`;
  }
  setInterval(() => document.querySelectorAll("main time").forEach(ago), 15000);

  document.addEventListener("copy", (event) => {
    const selection = window.getSelection();
    if (!selection || selection.isCollapsed || typing(event.target)) return;
    const part = selection.getRangeAt(0).cloneContents();
    if (!part.querySelector("time")) return;
    part.querySelectorAll("time").forEach((time) => { time.textContent = time.dateTime; });
    const lines = [...part.children].map((child) => child.innerText ?? child.textContent);
    event.clipboardData.setData("text/plain", lines.length > 1 ? lines.join("\n") : part.textContent);
    event.preventDefault();
  });

  document.getElementById("theme")?.addEventListener("click", () => {
    const order = ["auto", "light", "dark"];
    const now = document.documentElement.dataset.theme ?? "auto";
    const next = order[(order.indexOf(now) + 1) % order.length];
    if (next === "auto") { delete document.documentElement.dataset.theme; localStorage.removeItem("theme"); }
    else { document.documentElement.dataset.theme = next; localStorage.setItem("theme", next); }
    document.dispatchEvent(new CustomEvent("theme"));
  });

  // A list that grows by itself stays as long as a screen can use.
  document.addEventListener("htmx:sse:after:message", (event) => {
    const list = event.target.closest?.("#live") ?? document.getElementById("live");
    document.querySelector("#live + .empty")?.remove();
    while (list && list.children.length > 40) list.lastElementChild.remove();
  });
})();
