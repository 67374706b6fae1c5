// Light, dark, or as the system is: set before anything is painted.
(() => {
  const wanted = localStorage.getItem("theme");
  if (wanted === "light" || wanted === "dark") document.documentElement.dataset.theme = wanted;
})();
