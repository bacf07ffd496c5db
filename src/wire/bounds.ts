import type { Bounds } from "./table.ts";

/** Whether a number is within its bounds, and of anything else its length: characters, bytes, elements. */
export function isWithin(value: unknown, [min, max]: Bounds): boolean {
  const size = typeof value === "number" ? value : lengthOf(value, max);
  return (min === null || size >= min) && (max === null || size <= max);
}

/** Of a text the number of its code points, counted only where that decides. */
function lengthOf(value: unknown, max: number | null): number {
  if (typeof value === "string") {
    const units = value.length;
    return max !== null && units > max && units <= 2 * max ? Array.from(value).length : units;
  }
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return Object.keys(Object(value)).length;
}

/** AWS's words for the bound that a value breaks. */
export function brokenBound(value: unknown, [min, max]: Bounds): string {
  const low = min !== null && !isWithin(value, [min, null]);
  return low ? atLeast(measureOf(value), min) : atMost(measureOf(value), max);
}

/** And for both bounds of what is in a list or a map. */
export function bothBounds(value: unknown, [min, max]: Bounds): string {
  const measure = measureOf(value);
  return [
    ...(max === null ? [] : [atMost(measure, max)]),
    ...(min === null ? [] : [atLeast(measure, min)]),
  ].join(", ");
}

const measureOf = (value: unknown) => (typeof value === "number" ? "value" : "length");
const atLeast = (measure: string, min: number | null) =>
  `Member must have ${measure} greater than or equal to ${min}`;
const atMost = (measure: string, max: number | null) =>
  `Member must have ${measure} less than or equal to ${max}`;
