"use strict";
// Tables that sort by the text of a column, and on a live page what has changed since.
const sortedBy = {};

function value(row, column) {
  const text = row.cells[column].textContent.trim();
  const number = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  return [text, number];
}

function compare(one, other) {
  const [a, x] = one, [b, y] = other;
  if (!isNaN(x) && !isNaN(y)) return x - y;
  if (isNaN(x) !== isNaN(y)) return isNaN(x) ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function sort(table, column, down) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [value(row, column), row]);
  rows.sort((a, b) => (down ? -1 : 1) * compare(a[0], b[0]));
  body.append(...rows.map((pair) => pair[1]));
  [...table.tHead.rows[0].cells].forEach((head, number) => {
    if (number === column) head.setAttribute("aria-sort", down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

function prepare(root) {
  for (const table of root.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        sortedBy[table.id] = [column, down];
        sort(table, column, down);
      });
    });
    if (sortedBy[table.id]) sort(table, ...sortedBy[table.id]);
  }
}

prepare(document);

function put(id, html) {
  const part = document.getElementById(id);
  // Whoever reads or types in a part keeps it until they leave.
  if (part.contains(document.activeElement)) return false;
  const open = [...part.querySelectorAll("details[open]")].map((each) => each.id);
  part.innerHTML = html;
  for (const each of open) document.getElementById(each)?.setAttribute("open", "");
  prepare(part);
  return true;
}

function apply(changes, waiting) {
  for (const each of document.querySelectorAll(".changed")) each.classList.remove("changed");
  for (const [learner, column, text, kind] of changes.cells) {
    const cell = document.getElementById("l-" + learner)?.cells[column + 1];
    if (!cell) continue;
    cell.textContent = text;
    cell.className = kind + " changed";
  }
  Object.assign(waiting, changes.parts);
  for (const id of Object.keys(waiting)) if (put(id, waiting[id])) delete waiting[id];
}

async function follow() {
  const status = document.getElementById("status"), waiting = {};
  let since = document.body.dataset.live, state = "", pause = 2000;
  for (;;) {
    try {
      const reply = await fetch("changes?since=" + encodeURIComponent(since));
      if (!reply.ok) throw new Error(reply.status);
      const changes = await reply.json();
      if (changes.reload) return location.reload();
      since = changes.revision;
      apply(changes, waiting);
      // Said to screen readers, so only when it is news.
      const now = changes.running ? "A grading is running; this page follows it." : "No grading is running.";
      if (now !== state) status.textContent = state = now;
      pause = 2000;
    } catch (error) {
      const now = "The board does not answer; what stands here may be old.";
      if (now !== state) status.textContent = state = now;
      pause = Math.min(pause * 2, 30000);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

if (document.body.hasAttribute("data-live")) follow();
