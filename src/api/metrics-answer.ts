import { exposition, expositionType, type Metric } from "./exposition.ts";
import { localAnswer } from "./local-answer.ts";

export const metricsAnswer = (metrics: () => readonly Metric[]) =>
  localAnswer("metrics are", expositionType, () => exposition(metrics()));
