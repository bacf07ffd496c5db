import type { Picture } from "../machine-driver.ts";

/** White letters on black that say what it is. */
export const fakePicture = (): Picture => {
  const [width, height] = [(letters[0].length + 2) * BLOCK, (letters.length + 2) * BLOCK];
  const rgb = Buffer.alloc(3 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (letters[Math.floor(y / BLOCK) - 1]?.[Math.floor(x / BLOCK) - 1] === "#")
        rgb.fill(255, 3 * (y * width + x), 3 * (y * width + x + 1));
  return { width, height, rgb };
};

/** Pixels of each square's side. */
const BLOCK = 16;

const letters = [
  "#### ..##.. #..# ####",
  "#... .#..#. #.#. #...",
  "###. .####. ##.. ###.",
  "#... .#..#. #.#. #...",
  "#... .#..#. #..# ####",
] as const;
