import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';

import type { Series } from '../model/series.js';
import { paints } from '../model/theme.js';

/** Names of custom properties, which a canvas cannot read by itself. */
export interface Line {
  readonly colour: string;
  /** Filled down to the line after it, or to the ground if it is the last. */
  readonly fill?: string;
  readonly width?: number;
  /** Drawn as bars at the foot, on a scale of its own. */
  readonly isBars?: boolean;
}

export interface ChartProps {
  readonly series: Series;
  readonly lines: readonly Line[];
  readonly unit?: string;
  /** What it shows, in words. */
  readonly label: string;
  /** Called with the index of what the pointer is on, or with nothing. */
  readonly onPoint: (index: number | undefined) => void;
}

/** Bars keep to this part of the height, below the lines. */
const FOOT = 0.3;

export function Chart({ series, lines, unit = '', label, onPoint }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const data = useRef(series);
  const isNarrow = useSignal(false);
  data.current = series;

  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const made = new uPlot(options(element, lines, unit, isNarrow.value, onPoint), aligned(data.current), element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = element;
      if (width > 0) made.setSize({ width, height });
      isNarrow.value = width < 320;
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
    // The lines are constants of whoever draws; colours are read anew with each paint.
  }, [paints.value, isNarrow.value]);

  useEffect(() => {
    // A status comes each second; a minute that is over does not change any more.
    if (plot.current && !isSame(plot.current.data, series)) plot.current.setData(aligned(series));
  }, [series]);

  return <div class="plot" ref={host} role="img" aria-label={label} />;
}

function aligned({ at, lines }: Series): uPlot.AlignedData {
  return [[...at], ...lines.map((line) => [...line])];
}

function isSame([at, ...drawn]: uPlot.AlignedData, series: Series): boolean {
  const isEqual = (a: ArrayLike<unknown> | undefined, b: readonly unknown[]) =>
    a?.length === b.length && b.every((value, i) => a[i] === value);
  return isEqual(at, series.at) && series.lines.every((line, i) => isEqual(drawn[i], line));
}

function options(
  element: HTMLElement,
  lines: readonly Line[],
  unit: string,
  isNarrow: boolean,
  onPoint: ChartProps['onPoint'],
): uPlot.Options {
  const colour = (name: string) => colourOf(element, name);
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis = { stroke: colour('--text-faint'), font, ticks: { show: false } };
  return {
    width: element.clientWidth || 300,
    height: element.clientHeight || 160,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      sync: { key: 'last-hour' },
      points: {
        size: 7,
        width: 2,
        stroke: colour('--surface'),
        fill: (_, i) => colour(lines[i - 1]?.colour ?? '--text'),
      },
    },
    scales: {
      x: { time: true },
      y: { range: (_, __, most) => [0, Math.max(most * 1.15, 4)] },
      foot: { range: (_, __, most) => [0, Math.max(most, 3) / FOOT] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 24,
        gap: 6,
        space: isNarrow ? 90 : 64,
        // One that would be cut off at the edge says less than none.
        values: (plot, ticks) =>
          ticks.map((tick) => (plot.valToPos(tick, 'x') > plot.over.clientWidth - 14 ? '' : hourAndMinute(tick))),
      },
      {
        ...axis,
        grid: { stroke: colour('--line-soft'), width: 1 },
        size: 50,
        gap: 8,
        space: 30,
        values: (_, ticks) => ticks.map((tick) => `${short(tick)}${tick === 0 ? '' : unit}`),
      },
    ],
    series: [
      {},
      ...lines.map((line, i): uPlot.Series => {
        const stroke = colour(line.colour);
        const common = { points: { show: false }, stroke, spanGaps: false };
        if (line.isBars === true) {
          const paths = uPlot.paths.bars?.({ size: [0.5, 6, 2], radius: 0.2 });
          return { ...common, scale: 'foot', fill: stroke, width: 0, ...(paths && { paths }) };
        }
        const paths = uPlot.paths.spline?.();
        return {
          ...common,
          points: { show: true, size: 5, width: 0, fill: stroke, filter: lonePoints },
          width: line.width ?? 1.5,
          ...(paths && { paths }),
          ...(line.fill !== undefined && !hasNext(lines, i) && { fill: colour(line.fill) }),
        };
      }),
    ],
    bands: lines.flatMap(({ fill }, i) =>
      // Columns are counted from 1: the first one is time.
      fill !== undefined && hasNext(lines, i) ? [{ series: [i + 1, i + 2], fill: colour(fill) }] : [],
    ),
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
  };
}

/** A minute between two without a call is a line of no length: it is shown as a point. */
function lonePoints(plot: uPlot, line: number): number[] {
  const values = plot.data[line] ?? [];
  const isGap = (index: number) => (values[index] ?? null) === null;
  return [...values.keys()].filter((i) => !isGap(i) && isGap(i - 1) && isGap(i + 1));
}

function hasNext(lines: readonly Line[], i: number): boolean {
  const next = lines[i + 1];
  return next !== undefined && next.isBars !== true;
}

/** As the browser resolves it: `light-dark()` and mixes are nothing that a canvas knows. */
function colourOf(element: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

function hourAndMinute(seconds: number): string {
  return clock.format(seconds * 1_000);
}

function short(value: number): string {
  return compact.format(value);
}
