"use strict";
// The readout of the charts, and the switch between ways to draw them. Without it the page is whole.
(() => {
  const svgName = "http://www.w3.org/2000/svg";

  // As markup.number on the other side, with a figure more.
  function number(value, percent) {
    const trimmed = (v, digits) => String(Number(v.toFixed(digits)));
    if (percent) return trimmed(value * 100, 1) + " %";
    const size = Math.abs(value);
    if (size === 0) return "0";
    if (size < 1e-3) return value.toExponential(2).replace(/\.?0+e/, "e");
    if (size < 10) return trimmed(value, 3);
    if (size < 1e3) return trimmed(value, 1);
    if (size < 1e4) return Math.round(value).toLocaleString("en");
    if (size < 1e6) return trimmed(value / 1e3, 1) + " k";
    if (size < 1e9) return trimmed(value / 1e6, 2) + " M";
    return trimmed(value / 1e9, 2) + " G";
  }

  function place([low, high, start, end], value) {
    return start + ((value - low) / (high - low)) * (end - start);
  }

  function nearest(values, x) {
    let low = 0, high = values.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (values[middle] < x) low = middle; else high = middle;
    }
    return Math.abs(values[low] - x) <= Math.abs(values[high] - x) ? low : high;
  }

  function made(name, attributes, parent) {
    const element = document.createElementNS(svgName, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  }

  function line(parent, colour, name, value) {
    const row = document.createElement("p");
    if (colour !== null) {
      const dot = document.createElement("i");
      dot.style.setProperty("--s", `var(--c${colour})`);
      row.append(dot);
    }
    row.append(name);
    if (value !== null) {
      const bold = document.createElement("b");
      bold.textContent = value;
      row.append(bold);
    }
    parent.append(row);
  }

  function readout(plot) {
    const svg = plot.querySelector("svg"), layer = svg.querySelector(".readout"), tip = plot.querySelector(".tip");
    const chart = JSON.parse(plot.querySelector("script").textContent);
    const all = [...new Set(chart.series.flatMap((series) => series.x))].sort((a, b) => a - b);
    if (!all.length) return;
    let current = all.length - 1;

    function hide() {
      layer.replaceChildren();
      tip.hidden = true;
    }

    function show(index) {
      current = Math.max(0, Math.min(all.length - 1, index));
      const x = all[current], at = place(chart.x, x), box = svg.viewBox.baseVal;
      layer.replaceChildren();
      tip.replaceChildren();
      made("path", { class: "cross", d: `M${at} ${chart.y[3]}V${chart.y[2]}` }, layer);
      line(tip, null, `${chart.label}: ${number(x, false)}`, null);
      for (const series of chart.series) {
        const last = series.x.length - 1;
        const i = nearest(series.x, x);
        const step = last > 0 ? (series.x[last] - series.x[0]) / last : 0;
        if (x > series.x[last] + step || x < series.x[0] - step) continue;
        made("circle", { class: `dot s${series.colour}`, r: 4, cx: place(chart.x, series.x[i]), cy: place(chart.y, series.y[i]) }, layer);
        line(tip, series.colour, series.name, number(series.y[i], chart.percent));
      }
      tip.hidden = false;
      const scale = svg.clientWidth / box.width, left = at * scale + 14;
      const over = left + tip.offsetWidth > svg.clientWidth;
      tip.style.left = `${Math.max(0, over ? at * scale - 14 - tip.offsetWidth : left)}px`;
      tip.style.top = `${chart.y[3] * scale}px`;
    }

    svg.addEventListener("pointermove", (event) => {
      const area = svg.getBoundingClientRect(), x = ((event.clientX - area.left) / area.width) * svg.viewBox.baseVal.width;
      const [low, high, start, end] = chart.x, share = (x - start) / (end - start);
      show(nearest(all, low + share * (high - low)));
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -1, ArrowRight: 1, PageDown: 20, PageUp: -20, Home: -1e9, End: 1e9 };
      if (event.key === "Escape") hide();
      if (!(event.key in moves)) return;
      event.preventDefault();
      show(current + moves[event.key]);
    });
  }

  function follow(way) {
    for (const group of document.querySelectorAll(".switchable")) {
      const ways = [...group.querySelectorAll(":scope > div[data-way]")];
      if (!ways.some((one) => one.dataset.way === way)) continue;
      for (const one of ways) one.hidden = one.dataset.way !== way;
      for (const button of group.querySelectorAll("button")) button.setAttribute("aria-pressed", button.dataset.way === way);
    }
  }

  document.querySelectorAll(".plot:not(.still)").forEach(readout);
  document.querySelectorAll(".switch button").forEach((button) => button.addEventListener("click", () => follow(button.dataset.way)));
})();
