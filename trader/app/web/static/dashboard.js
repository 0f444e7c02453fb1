// Takes the first page's changes, says when nothing is heard any more, and sends commands.
"use strict";

const STALE_MS = 5000;
const CHARTS = { displayModeBar: false };

function follow(cards) {
  const stale = document.getElementById("stale");
  const shown = new Map();
  let heard = Date.now();
  const old = () => {
    const silent = Date.now() - heard;
    if (silent >= STALE_MS) return `nothing heard for ${Math.round(silent / 1000)} s`;
    return document.querySelector("[data-old]")?.dataset.old ?? "";
  };
  const source = new EventSource(cards.dataset.live);
  source.onmessage = (message) => {
    heard = Date.now();
    for (const [name, html] of Object.entries(JSON.parse(message.data))) {
      if (shown.get(name) === html) continue; // who reads it, or has scrolled in it, is left alone
      shown.set(name, html);
      const card = document.getElementById(`card-${name}`);
      const scrolled = [...card.querySelectorAll(".scroll")].map((part) => [part.scrollLeft, part.scrollTop]);
      const open = [...card.querySelectorAll("details")].map((details) => details.open);
      card.innerHTML = html;
      card.querySelectorAll("details").forEach((details, place) => { details.open = open[place] ?? false; });
      card.querySelectorAll(".scroll").forEach((part, place) => {
        [part.scrollLeft, part.scrollTop] = scrolled[place] ?? [0, 0];
      });
      drawCharts(card, CHARTS);
    }
  };
  setInterval(() => {
    const why = old();
    stale.hidden = why === "";
    const said = `STALE: ${why}; what you see is old`;
    if (why && stale.textContent !== said) stale.textContent = said;
  }, 500);
}

async function send(form) {
  const answer = document.getElementById("answer"), button = form.querySelector("button");
  if (button.disabled) return; // a second click while the first is under way is not a second command
  button.disabled = true;
  answer.textContent = "asking ...";
  const typed = Object.fromEntries(new FormData(form));
  if (form.dataset.command === "acknowledge") {
    typed.alarms = [...document.querySelectorAll("[data-alarm]")].map((row) => Number(row.dataset.alarm));
  }
  try {
    const response = await fetch(`/api/v1/${form.dataset.command}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Trader-Form": document.body.dataset.formKey },
      body: JSON.stringify(typed),
    });
    const said = await response.json();
    answer.textContent = said.error ?? said.message;
    if (response.ok) form.reset();
  } catch (error) {
    answer.textContent = `no answer, so it is not known whether it was done: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

keepDrawn(CHARTS);
const cards = document.querySelector("[data-live]");
if (cards) follow(cards);
for (const form of document.querySelectorAll("form[data-command]")) {
  form.addEventListener("submit", (event) => { event.preventDefault(); send(form); });
}
