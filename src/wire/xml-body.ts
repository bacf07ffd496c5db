/** An answer as it is written: text, and between it what was written before and kept as bytes. */
export class XmlBody {
  #text: string;
  readonly #pieces: Buffer[] = [];

  constructor(text = "") {
    this.#text = text;
  }

  add(text: string): void {
    this.#text += text;
  }

  addBytes(bytes: Buffer): void {
    this.#endText();
    this.#pieces.push(bytes);
  }

  /**
   * Text while it is short, for Node sends that in one piece with the headers; else UTF-8, of which nothing is copied that was
   * added as bytes: they may be tens of megabytes.
   */
  whole(): string | readonly Buffer[] {
    if (this.#pieces.length === 0) return this.#text;
    this.#endText();
    const bytes = this.#pieces.reduce((sum, { length }) => sum + length, 0);
    return bytes <= SHORT_BYTES ? Buffer.concat(this.#pieces, bytes).toString() : this.#pieces;
  }

  #endText(): void {
    if (this.#text !== "") this.#pieces.push(Buffer.from(this.#text));
    this.#text = "";
  }
}

const SHORT_BYTES = 16_384;
