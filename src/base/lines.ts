/** Cuts text that arrives in chunks into lines, for every conversation of one JSON object a line. */
export class LineCutter {
  #rest = '';
  readonly #maxChars: number;

  constructor(maxChars: number) {
    this.#maxChars = maxChars;
  }

  /** The lines that this chunk completes, without blank ones. Null when a line outgrew the bound: it is not one of ours. */
  push(chunk: string): readonly string[] | null {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > this.#maxChars) return null;
    return lines.filter((line) => line.trim() !== '');
  }
}
