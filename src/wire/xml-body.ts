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

  /** Text while it is nothing but text; else UTF-8. What was added as bytes is not copied: they may be tens of megabytes. */
  whole(): string | readonly Buffer[] {
    if (this.#pieces.length === 0) return this.#text;
    this.#endText();
    return this.#pieces;
  }

  #endText(): void {
    if (this.#text !== "") this.#pieces.push(Buffer.from(this.#text));
    this.#text = "";
  }
}
