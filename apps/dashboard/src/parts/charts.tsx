import { useSignal } from '@preact/signals';
import { useMemo } from 'preact/hooks';
import type { ComponentChildren } from 'preact';

import type { LastHour, Minute } from '#cluster';

import { clockMinute, count, counted, latency, share, shortCount } from '../model/format.js';
import { status } from '../model/live.js';
import { averageLatency, servedSeries, servedText, upstreamSeries, upstreamText } from '../model/series.js';
import { Chart, type Line } from './chart.js';

const SERVED: readonly Line[] = [
  { colour: '--chart-2', fill: '--chart-2-soft' },
  { colour: '--chart-1', fill: '--chart-1-soft' },
];
const UPSTREAM: readonly Line[] = [
  { colour: '--chart-3', fill: '--chart-3-soft', width: 1 },
  { colour: '--chart-1', width: 2 },
  { colour: '--bad-mark', isBars: true },
];

export function Charts() {
  const hour = status.value?.last_hour;
  return hour ? <ChartPair hour={hour} /> : null;
}

function ChartPair({ hour }: { hour: LastHour }) {
  const point = useSignal<number | undefined>(undefined);
  const minute = point.value === undefined ? undefined : hour.minutes[point.value];
  const onPoint = (index: number | undefined) => {
    point.value = index;
  };
  const served = useMemo(() => servedSeries(hour), [hour]);
  const upstream = useMemo(() => upstreamSeries(hour), [hour]);
  return (
    <section class="pair" aria-label="The last hour">
      <figure class="card chart">
        <figcaption>
          <h2>Tokens served</h2>
          <p class="figures">
            <Figure value={shortCount(hour.tokens_served)} unit="in the last hour" />
            <Figure value={share(hour.calls_saved, hour.tokens_served)} unit="without a call" />
          </p>
          <Readout minute={minute}>{minute ? servedAt(minute) : servedLegend}</Readout>
        </figcaption>
        <Chart series={served} lines={SERVED} label={servedText(hour)} onPoint={onPoint} />
      </figure>
      <figure class="card chart">
        <figcaption>
          <h2>Calls to MobilePay</h2>
          <p class="figures">
            <Figure value={latencyOf(hour)} unit="on average" />
            <Figure
              value={count(hour.upstream_errors)}
              unit={`${hour.upstream_errors === 1 ? 'error' : 'errors'} in ${counted(hour.upstream_calls, 'call')}`}
              isBad={hour.upstream_errors > 0}
            />
          </p>
          <Readout minute={minute}>{minute ? upstreamAt(minute) : upstreamLegend}</Readout>
        </figcaption>
        <Chart series={upstream} lines={UPSTREAM} unit=" ms" label={upstreamText(hour)} onPoint={onPoint} />
      </figure>
    </section>
  );
}

function Figure({ value, unit, isBad = false }: { value: string; unit: string; isBad?: boolean }) {
  return (
    <span class={isBad ? 'figure bad' : 'figure'}>
      <strong>{value}</strong> <span>{unit}</span>
    </span>
  );
}

/** A legend; where the pointer is, the numbers of that minute in its place. The label of the chart says it in words. */
function Readout({ minute, children }: { minute: Minute | undefined; children: ComponentChildren }) {
  return (
    <p class="readout" aria-hidden="true">
      {minute && <span class="readout-at">{clockMinute(Date.parse(minute.at))}</span>}
      {children}
    </p>
  );
}

const servedLegend = (
  <>
    <Key tone="c1">without a call</Key>
    <Key tone="c2">fetched from MobilePay</Key>
  </>
);

function servedAt({ tokens_served, upstream_calls }: Minute) {
  return (
    <>
      <Key tone="c1">{count(Math.max(0, tokens_served - upstream_calls))} without a call</Key>
      <Key tone="c2">{count(upstream_calls)} fetched</Key>
    </>
  );
}

const upstreamLegend = (
  <>
    <Key tone="c1">average</Key>
    <Key tone="c3">slowest</Key>
    <Key tone="bad">errors</Key>
  </>
);

function upstreamAt({ latency_ms_average, latency_ms_max, upstream_errors }: Minute) {
  if (latency_ms_average === null || latency_ms_max === null) return <span>no call</span>;
  return (
    <>
      <Key tone="c1">{latency(latency_ms_average)}</Key>
      <Key tone="c3">{latency(latency_ms_max)}</Key>
      <Key tone="bad">{counted(upstream_errors, 'error')}</Key>
    </>
  );
}

function Key({ tone, children }: { tone: string; children: ComponentChildren }) {
  return (
    <span class={`key ${tone}`}>
      <i />
      {children}
    </span>
  );
}

function latencyOf(hour: LastHour): string {
  const average = averageLatency(hour);
  return average === undefined ? '–' : latency(average);
}
