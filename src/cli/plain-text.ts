import { stripVTControlCharacters } from "node:util";

/** Text of a guest's, or about one, without what would command a terminal: line ends and tabs stay. */
export const plainText = (text: string): string =>
  stripVTControlCharacters(text)
    .replaceAll(/\r+\n/g, "\n")
    .replaceAll(/(?![\n\t])\p{Cc}/gu, "");
