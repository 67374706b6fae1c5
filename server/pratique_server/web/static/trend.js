// Draws the table of the last days as stacked bars; the table stays for whoever would rather read it.
(() => {
  "use strict";
  const box = document.getElementById("trend");
  const body = document.querySelector("#trend-data tbody");
  if (!box || !body || !window.uPlot) return;

  const number = (cell) => Number(cell.textContent.replace(/\D/g, ""));
  const lines = [...body.rows].map((row) => [...row.cells]);
  const days = lines.map((cells) => cells[0].textContent.trim());
  const [blocked, findings, clean] = [1, 2, 3].map((column) => lines.map((cells) => number(cells[column])));
  const upTo = (...layers) => days.map((_, at) => layers.reduce((sum, layer) => sum + layer[at], 0));
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  let plot = null;

  function draw() {
    plot?.destroy();
    const bars = uPlot.paths.bars({ size: [0.62, 40], radius: 0 });
    const layer = (label, colour) => ({ label, fill: style(colour), stroke: style(colour), width: 0, paths: bars, points: { show: false } });
    const axis = { stroke: style("--quiet"), grid: { stroke: style("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    plot = new uPlot({
      width: box.clientWidth, height: 160, padding: [8, 8, 0, 0],
      cursor: { show: false }, legend: { show: false },
      scales: { x: { time: false, range: [-0.6, days.length - 0.4] }, y: { range: (_, low, high) => [0, Math.max(high * 1.1, 4)] } },
      axes: [
        { ...axis, grid: { show: false }, splits: () => days.map((_, at) => at).filter((at) => at % 3 === 1), values: (_, at) => at.map((each) => days[each].slice(5)) },
        { ...axis, size: 40, space: 32, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000] },
      ],
      series: [{}, layer("clean", "--clean-soft"), layer("findings", "--audited"), layer("blocked", "--blocked")],
    }, [days.map((_, at) => at), upTo(clean, findings, blocked), upTo(findings, blocked), blocked], box);
  }

  draw();
  let waiting = 0;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(draw, 150); });
  document.addEventListener("theme", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
