// Tables that are updated in place: rows keep their elements, so buttons keep their focus and nothing flickers.

/** An element with properties and children. Children are text or elements, never markup. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

/**
 * A column has a `title`, and either `text(row)` or `button(row)`: what a button says, or "" for none. Then `press(row)`
 * is what it does. `share(row)` draws a bar of that share of the width. `name` is the class of its cells.
 */
export class Table {
  constructor(table, { columns, key, empty, tone = () => "" }) {
    this.columns = columns;
    this.key = key;
    this.tone = tone;
    this.rows = new Map();
    const titles = columns.map(({ title, name = "" }) => element("th", { className: name, scope: "col", textContent: title }));
    this.body = element("tbody");
    this.empty = element("caption", { textContent: empty });
    table.replaceChildren(this.empty, element("thead", {}, element("tr", {}, ...titles)), this.body);
    this.table = table;
  }

  show(rows) {
    const seen = new Set();
    rows.forEach((row, place) => {
      const key = String(this.key(row));
      if (seen.has(key)) return;
      seen.add(key);
      const shown = this.rows.get(key) ?? this.#add(key);
      shown.row = row;
      shown.line.className = this.tone(row);
      this.columns.forEach((column, index) => update(shown.cells[index], column, row));
      if (this.body.children[place] !== shown.line) this.body.insertBefore(shown.line, this.body.children[place] ?? null);
    });
    for (const [key, { line }] of this.rows) {
      if (!seen.has(key)) {
        line.remove();
        this.rows.delete(key);
      }
    }
    this.table.classList.toggle("empty", rows.length === 0);
  }

  #add(key) {
    const shown = { row: undefined, line: element("tr"), cells: [] };
    for (const { name = "", press } of this.columns) {
      const cell = element("td", { className: name });
      if (press) cell.append(element("button", { type: "button", onclick: () => press(shown.row) }));
      shown.cells.push(cell);
    }
    shown.line.append(...shown.cells);
    this.rows.set(key, shown);
    return shown;
  }
}

function update(cell, { text, button, share, hint }, row) {
  if (button) {
    cell.firstChild.textContent = button(row);
    cell.firstChild.hidden = button(row) === "";
    return;
  }
  const shown = text(row);
  if (cell.textContent !== shown) cell.textContent = shown;
  if (hint) cell.title = hint(row);
  if (share) cell.style.setProperty("--share", `${Math.round(100 * Math.min(1, share(row)))}%`);
}
