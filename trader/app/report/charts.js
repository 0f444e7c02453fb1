// Draws every chart within an element, as it is described there: the pages of the dashboard and the report have this file.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");

function drawCharts(within, settings) {
  const ink = getComputedStyle(document.body).color;
  const grid = dark.matches ? "#333" : "#ddd";
  for (const element of within.querySelectorAll("[data-chart]")) {
    const chart = JSON.parse(document.getElementById(element.dataset.chart).textContent);
    const layout = { height: 300, margin: { t: 20, r: 20, b: 45 }, showlegend: false, ...chart.layout,
                     modebar: { bgcolor: "rgba(0,0,0,0)", color: grid, activecolor: ink },
                     paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink } };
    for (const axis of ["xaxis", "yaxis", "yaxis2"]) {
      layout[axis] = { gridcolor: grid, zerolinecolor: grid, automargin: true, ...layout[axis] };
    }
    Plotly.react(element, chart.data, layout, { responsive: true, displaylogo: false, ...settings });
  }
}

function keepDrawn(settings) {
  drawCharts(document, settings);
  dark.addEventListener("change", () => drawCharts(document, settings));
}
