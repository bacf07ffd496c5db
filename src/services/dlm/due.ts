import type { CreateRule } from "@aws-sdk/client-dlm";

/**
 * When a schedule was last due, to the minute, after `after` and not after `now`; however many times were missed, there is one. Of years that
 * were missed the last is looked at. Undefined: it was not.
 */
export function lastDue(rule: CreateRule, after: Date, now: Date): Date | undefined {
  const { isDay, isTime } = matcher(rule);
  const earliest = Math.max(after.getTime(), now.getTime() - MOST_MS);
  for (let at = Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS; at > earliest; at -= MINUTE_MS) {
    const time = new Date(at);
    if (!isDay(time)) at = Math.floor(at / DAY_MS) * DAY_MS;
    else if (isTime(time)) return time;
  }
  return undefined;
}

/** Why the rule says no time; undefined: it does. */
export function faultOf(rule: CreateRule): string | undefined {
  if (rule.CronExpression === undefined) {
    if (!rule.Interval || !INTERVALS_H.includes(rule.Interval) || (rule.IntervalUnit ?? "HOURS") !== "HOURS")
      return `Interval is a number of HOURS of ${INTERVALS_H.join(", ")}`;
    const [time = DEFAULT_TIME, ...more] = rule.Times ?? [];
    return more.length > 0 || !/^([01]\d|2[0-3]):[0-5]\d$/.test(time)
      ? "Times is one time, as hh:mm"
      : undefined;
  }
  if (rule.Interval !== undefined || rule.Times !== undefined)
    return "Interval and CronExpression exclude each other";
  return fieldsOf(rule.CronExpression)
    ? undefined
    : `${rule.CronExpression} is no cron expression that Croft knows`;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const MOST_MS = 366 * DAY_MS;
const INTERVALS_H = [1, 2, 3, 4, 6, 8, 12, 24];
const DEFAULT_TIME = "09:00";

interface Matcher {
  readonly isDay: Field;
  readonly isTime: Field;
}

function matcher(rule: CreateRule): Matcher {
  if (rule.CronExpression !== undefined) {
    const [minutes = never, hours = never, ...days] = fieldsOf(rule.CronExpression) ?? [];
    return {
      isDay: (time) => days.every((matches) => matches(time)),
      isTime: (time) => minutes(time) && hours(time),
    };
  }
  const [hours = 0, minutes = 0] = (rule.Times?.[0] ?? DEFAULT_TIME).split(":").map(Number);
  const every = (rule.Interval ?? 24) * 60;
  const first = hours * 60 + minutes;
  // All intervals divide a day.
  const isTime: Field = (time) =>
    (time.getUTCHours() * 60 + time.getUTCMinutes() - first + 1440) % every === 0;
  return { isDay: () => true, isTime };
}

type Field = (time: Date) => boolean;
const never: Field = () => false;

/** Of AWS's six-field form, `cron(minutes hours day-of-month month day-of-week year)`; without `W` and `#`. Undefined: it is none. */
function fieldsOf(text: string): readonly Field[] | undefined {
  const parts = /^cron\(\s*(.+?)\s*\)$/.exec(text)?.[1]?.split(/\s+/) ?? [];
  const [minutes, hours, days, months, weekdays, years] = parts;
  if (parts.length !== 6 || (days === "?") === (weekdays === "?")) return undefined;
  const fields = [
    field(minutes, 0, 59, (it) => it.getUTCMinutes()),
    field(hours, 0, 23, (it) => it.getUTCHours()),
    days === "L" ? isLastOfMonth : field(days, 1, 31, (it) => it.getUTCDate()),
    field(months, 1, 12, (it) => it.getUTCMonth() + 1, MONTHS),
    field(weekdays, 1, 7, (it) => it.getUTCDay() + 1, WEEKDAYS),
    field(years, 1970, 2199, (it) => it.getUTCFullYear()),
  ];
  return fields.every((it) => it !== undefined) ? fields : undefined;
}

const isLastOfMonth: Field = (time) => new Date(time.getTime() + DAY_MS).getUTCDate() === 1;
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

function field(
  text: string | undefined,
  least: number,
  most: number,
  valueOf: (time: Date) => number,
  names: readonly string[] = [],
): Field | undefined {
  const values = new Set<number>();
  const number = (word: string): number => {
    const named = names.indexOf(word.toUpperCase());
    return named >= 0 ? named + least : /^\d+$/.test(word) ? Number(word) : Number.NaN;
  };
  for (const part of (text === "?" ? "*" : (text ?? "")).split(",")) {
    const [range = "", step = "1", ...more] = part.split("/");
    const [from = "", to, ...rest] = range.split("-");
    const first = from === "*" ? least : number(from);
    const last = to !== undefined ? number(to) : from === "*" || part.includes("/") ? most : first;
    const by = /^[1-9]\d*$/.test(step) ? Number(step) : Number.NaN;
    if (
      more.length + rest.length > 0 ||
      !(first >= least && first <= last && last <= most) ||
      Number.isNaN(by)
    )
      return undefined;
    for (let value = first; value <= last; value += by) values.add(value);
  }
  return (time) => values.has(valueOf(time));
}
