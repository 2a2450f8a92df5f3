import type { LastHour, Minute } from '#cluster';

import { count, counted, latency, share } from './format.js';

/** Columns for a chart: instants in seconds, then one column for each line. */
export interface Series {
  readonly at: readonly number[];
  readonly lines: readonly (readonly (number | null)[])[];
}

/** Served at all, and without a call: the gap between the two is what was fetched. The minute that is not over is left
 *  out until it has as many as the one before, or the line would always seem to fall at its end. */
export function servedSeries({ minutes }: LastHour): Series {
  const [before, last] = minutes.slice(-2);
  const isFalling = last !== undefined && before !== undefined && last.tokens_served < before.tokens_served;
  const shown = (of: (minute: Minute) => number) =>
    minutes.map((minute) => (isFalling && minute === last ? null : of(minute)));
  return {
    at: minutes.map(({ at }) => Date.parse(at) / 1_000),
    lines: [
      shown(({ tokens_served }) => tokens_served),
      shown(({ tokens_served, upstream_calls }) => Math.max(0, tokens_served - upstream_calls)),
    ],
  };
}

/** Latency, and errors, which are shown at once. */
export function upstreamSeries({ minutes }: LastHour): Series {
  return {
    at: minutes.map(({ at }) => Date.parse(at) / 1_000),
    lines: [
      minutes.map(({ latency_ms_max }) => latency_ms_max),
      minutes.map(({ latency_ms_average }) => latency_ms_average),
      minutes.map(({ upstream_errors }) => upstream_errors || null),
    ],
  };
}

/** Weighted by calls: a minute with one slow call is not an hour. */
export function averageLatency({ minutes }: LastHour): number | undefined {
  let calls = 0;
  let sum = 0;
  for (const { upstream_calls, latency_ms_average } of minutes) {
    if (latency_ms_average === null) continue;
    calls += upstream_calls;
    sum += upstream_calls * latency_ms_average;
  }
  return calls === 0 ? undefined : sum / calls;
}

/** What the chart shows, for whoever cannot see it. */
export function servedText(hour: LastHour): string {
  const busiest = Math.max(0, ...hour.minutes.map(({ tokens_served }) => tokens_served));
  return (
    `Tokens served in each minute of the last hour: ${count(hour.tokens_served)} in all, ${count(busiest)} in the busiest ` +
    `minute. ${share(hour.calls_saved, hour.tokens_served)} needed no call to MobilePay.`
  );
}

export function upstreamText(hour: LastHour): string {
  const average = averageLatency(hour);
  const slowest = Math.max(0, ...hour.minutes.map(({ latency_ms_max }) => latency_ms_max ?? 0));
  const times =
    average === undefined ? 'no call was timed' : `${latency(average)} on average, ${latency(slowest)} at the most`;
  return `Calls to MobilePay in the last hour: ${counted(hour.upstream_calls, 'call')}, ${times}, ${counted(hour.upstream_errors, 'error')}.`;
}
