/** Parses an event stream, as the HTML standard defines it. Pure: it is handed text as it arrives, in any pieces. */

/** One thing in a stream, in order. `data` is one event's; the others stand on their own. */
export type StreamItem =
  | { readonly type: "data"; readonly data: string; readonly lastEventId: string }
  | { readonly type: "retry"; readonly retryMs: number }
  | { readonly type: "comment"; readonly text: string };

export class EventStream {
  #rest = "";
  #isAtStart = true;
  #data: string[] = [];
  #id = "";

  /** What these characters complete. */
  push(text: string): StreamItem[] {
    if (text === "") return [];
    this.#rest += this.#isAtStart ? text.replace(/^\ufeff/, "") : text;
    this.#isAtStart = false;
    const items: StreamItem[] = [];
    // A carriage return at the very end may be half of a line end, so it waits for what follows.
    for (let end = this.#rest.search(LINE_END); end >= 0; end = this.#rest.search(LINE_END)) {
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end).replace(LINE_END, "");
      const item = this.#line(line);
      if (item !== null) items.push(item);
    }
    return items;
  }

  #line(line: string): StreamItem | null {
    if (line === "") return this.#dispatch();
    const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (field === "" && line.startsWith(":")) return { type: "comment", text: value };
    if (field === "data") this.#data.push(value);
    if (field === "id" && !value.includes("\0")) this.#id = value;
    if (field === "retry" && /^\d+$/.test(value)) return { type: "retry", retryMs: Number(value) };
    return null;
  }

  #dispatch(): StreamItem | null {
    if (this.#data.length === 0) return null;
    const data = this.#data.join("\n");
    this.#data = [];
    return { type: "data", data, lastEventId: this.#id };
  }
}

const LINE_END = /\r\n|\n|\r(?!$)/;
