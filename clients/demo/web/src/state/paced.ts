/** Does something at once, but not more often than every so many milliseconds: then once more for all that came between. */

export class Paced {
  #ms: number;
  #run: () => void;
  #timer = 0;
  #isWanted = false;

  constructor(ms: number, run: () => void) {
    this.#ms = ms;
    this.#run = run;
  }

  soon(): void {
    this.#isWanted = true;
    if (this.#timer === 0) this.#next();
  }

  #next(): void {
    this.#timer = 0;
    if (!this.#isWanted) return;
    this.#isWanted = false;
    this.#run();
    this.#timer = window.setTimeout(() => this.#next(), this.#ms);
  }
}
