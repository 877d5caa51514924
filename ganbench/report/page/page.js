"use strict";
// Three things move on this page: figures are drawn when they come into view, tables sort, and sliders go through training.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const read = node => JSON.parse(node.textContent);
  const PRINTED = 940;  // pixels: what a sheet of A4 or of letter paper on its side has room for
  let printing = false;

  // figures
  const themed = layout => {
    const axis = { gridcolor: css("--line"), linecolor: css("--line"), tickcolor: css("--line") };
    const made = {
      ...layout, ...(printing ? { width: PRINTED } : {}), paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", autosize: !printing,
      font: { color: css("--ink"), family: getComputedStyle(document.body).fontFamily, size: 13 },
      margin: { l: 60, r: 20, t: 20, b: 50, ...(layout.margin || {}) },
      hoverlabel: { font: { family: getComputedStyle(document.body).fontFamily } },
    };
    for (const key of Object.keys(made)) if (/^[xy]axis/.test(key)) made[key] = { ...axis, ...made[key] };
    if (!made.xaxis) made.xaxis = axis;
    if (!made.yaxis) made.yaxis = axis;
    return made;
  };
  const figures = new Map();
  for (const node of document.querySelectorAll("script[data-figure]")) {
    figures.set(document.getElementById(node.dataset.figure), node);
  }
  const draw = place => {
    const { data, layout } = read(figures.get(place));
    place.dataset.drawn = "yes";
    return Plotly.react(place, data, themed(layout), { responsive: true, displaylogo: false, displayModeBar: false });
  };
  const seen = new IntersectionObserver(entries => {
    for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "400px" });
  for (const place of figures.keys()) {
    const { height, meta } = read(figures.get(place)).layout;
    // a phone's legend needs several rows
    place.style.minHeight = (height || (window.innerWidth < 640 ? 540 : 420)) + "px";
    if (meta && meta.width) place.style.minWidth = meta.width + "px";
    seen.observe(place);
  }

  // tables
  for (const table of document.querySelectorAll("table.sortable")) {
    const headings = [...table.querySelectorAll("th")];
    headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
      const rising = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of headings) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const key = row => row.cells[column].dataset.key;
      const rows = [...table.tBodies[0].rows];
      const numbers = rows.every(row => key(row) !== "" && !Number.isNaN(Number(key(row))));
      rows.sort((a, b) => (numbers ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b))) * (rising ? 1 : -1));
      table.tBodies[0].append(...rows);
    }));
  }

  // samples over training
  const points = text => {
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    return new Int16Array(bytes.buffer);
  };
  const dots = (context, size, text, colour) => {
    const xy = points(text);
    context.fillStyle = colour;
    for (let i = 0; i < xy.length; i += 2) {
      const x = (xy[i] / 32000 + 1) / 2 * size, y = (1 - xy[i + 1] / 32000) / 2 * size;
      context.beginPath();
      context.arc(x, y, size / 110, 0, 7);
      context.fill();
    }
  };
  const redraw = [];
  for (const node of document.querySelectorAll("script[data-clouds]")) {
    const figure = document.getElementById(node.dataset.clouds), content = read(node);
    const slider = figure.querySelector("input"), output = figure.querySelector("output");
    const panels = [...(content.truth ? [{ label: "true samples", which: "", note: "", clouds: {} }] : []), ...content.panels];
    const drawn = panels.map(panel => {
      const box = document.createElement("div"), canvas = document.createElement("canvas");
      const name = document.createElement("p"), which = document.createElement("span");
      box.className = "panel"; which.className = "which";
      canvas.width = canvas.height = 320;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${panel.label} ${panel.which}`);
      name.textContent = panel.label + " ";
      which.textContent = [panel.which, panel.note].filter(Boolean).join(", ");
      name.append(which);
      box.append(canvas, name);
      figure.querySelector(".panels").append(box);
      return { panel, canvas };
    });
    const show = () => {
      const at = content.iterations[Number(slider.value)];
      output.textContent = at.toLocaleString("en");
      slider.setAttribute("aria-valuetext", `iteration ${at}`);
      for (const { panel, canvas } of drawn) {
        const context = canvas.getContext("2d"), kept = Object.keys(panel.clouds).map(Number).filter(i => i <= at);
        context.clearRect(0, 0, 320, 320);
        if (content.truth) dots(context, 320, content.truth, css("--line"));
        if (kept.length) dots(context, 320, panel.clouds[Math.max(...kept)], css("--accent"));
      }
    };
    slider.addEventListener("input", show);
    redraw.push(show);
    show();
  }

  const drawAnew = all => {
    for (const place of figures.keys()) if (all || place.dataset.drawn) draw(place);
    for (const show of redraw) show();
  };
  dark.addEventListener("change", () => drawAnew(false));
  // paper is white and narrower than a screen, and nothing on it comes into view later
  for (const [event, begins] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(event, () => {
      printing = begins;
      document.documentElement.classList.toggle("printing", begins);
      drawAnew(begins);
    });
  }
})();
