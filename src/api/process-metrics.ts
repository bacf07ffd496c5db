import type { Metric } from "./exposition.ts";

/** What this process uses, under the names that every Prometheus client gives them. */
export function processMetrics(): Metric[] {
  const { user, system } = process.cpuUsage();
  const metric = (name: string, type: Metric["type"], help: string, value: number): Metric => ({
    name,
    type,
    help,
    samples: [{ value }],
  });
  return [
    metric(
      "process_cpu_seconds_total",
      "counter",
      "Processor time, user and system.",
      (user + system) / 1_000_000,
    ),
    metric("process_resident_memory_bytes", "gauge", "Resident memory.", process.memoryUsage.rss()),
    metric(
      "process_start_time_seconds",
      "gauge",
      "When the process started, since the Unix epoch.",
      (Date.now() - process.uptime() * 1000) / 1000,
    ),
  ];
}
