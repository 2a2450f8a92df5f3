import { NEWS_WAITS_MS, type Pace, paceOf } from '#cluster';

import type { Model } from './model.js';
import { type Step, STEPS } from './tally.js';

const CALLS_PER_CLIENT = 5;

/** What one of something costs Redis: time of its one thread, in µs, and bytes that it sends. */
export interface Cost {
  readonly us: number;
  readonly outBytes: number;
}

export interface Costs {
  readonly costs: Readonly<Partial<Record<Step, Cost>>>;
  /** A message, to one subscriber. */
  readonly delivery: Cost;
  readonly board: {
    /** A report, with so many replicas on the board: two measurements, the lower count first. */
    readonly tells: readonly [few: Cost & { readonly count: number }, many: Cost & { readonly count: number }];
    readonly read: Cost;
    readonly event: Cost;
  };
}

/** Of all keys, with so many replicas. */
export interface Figures {
  readonly model: Pick<Model, 'keys' | 'replicas' | 'keysPerClient' | 'upstreamMs'>;
  /** Keys in the memory of a replica. */
  readonly held: number;
  /** Each step, per second of the busiest quarter of an hour. */
  readonly steps: Readonly<Record<Step, number>>;
}

export type Series = readonly { readonly value: number; readonly figures: Figures }[];

export interface Limit {
  readonly name: string;
  /** 1 when it is full. */
  readonly used: number;
  /** At so many keys, and at so many replicas, it is full. Undefined if never, 0 if always. */
  readonly keys: number | undefined;
  readonly replicas: number | undefined;
}

/** How often all replicas report, and how many events they put on the board, per second; all of one version, and
 *  without the jitter of reports. */
export function boardOf(replicas: number, refreshesPerSecond: number): { tells: number; events: number } {
  const own = refreshesPerSecond / replicas;
  const pace = paceOf(Array.from({ length: replicas }, () => ({ everyMs: 1_000 })));
  // And one that says how many more there were; see repeats.ts.
  const events = Math.min(own, (pace.refreshesPerMinute + 1) / 60);
  // A refresh is news when it begins, and as an event when it has ended.
  const interval = meanIntervalSeconds(pace, own + events);
  return { tells: replicas / interval, events: replicas * events };
}

/** From one report of a replica to its next: until its turn comes, or it tells the first piece of news, if it may.
 *  @param news pieces per second, a Poisson process */
function meanIntervalSeconds(pace: Pace, news: number): number {
  const [every, soon, waits] = [pace.everyMs, pace.soonMs, NEWS_WAITS_MS].map((ms) => ms / 1_000) as [
    number,
    number,
    number,
  ];
  if (news === 0) return every;
  // The sum of how likely it is to be silent for longer, from the earliest report with news to the one without.
  return soon + (Math.exp(-news * (soon - waits)) - Math.exp(-news * (every - waits))) / news;
}

export interface Load {
  readonly steps: number;
  readonly fanOut: number;
  readonly board: number;
}

/** What one second of the busiest quarter costs Redis: a share of its thread, and bytes that it sends. */
export function redisLoad({ model: { replicas }, steps }: Figures, costs: Costs): { thread: Load; outBytes: Load } {
  // Without failures each refresh ends in one message to all.
  const refreshes = steps.commit;
  const { tells, events } = boardOf(replicas, refreshes);
  const loadOf = (what: keyof Cost): Load => {
    const costOf = (step: Step): number => (costs.costs[step] ?? costs.costs.busy)?.[what] ?? 0;
    return {
      steps: STEPS.reduce((sum, step) => sum + steps[step] * costOf(step), 0),
      fanOut: refreshes * replicas * costs.delivery[what],
      board:
        tells * (tellCost(costs.board.tells, replicas, what) + costs.board.read[what]) +
        // Each of them is read by each replica.
        events * replicas * costs.board.event[what],
    };
  };
  const { steps: ofSteps, fanOut, board } = loadOf('us');
  return { thread: { steps: ofSteps / 1e6, fanOut: fanOut / 1e6, board: board / 1e6 }, outBytes: loadOf('outBytes') };
}

export function sumOf({ steps, fanOut, board }: Load): number {
  return steps + fanOut + board;
}

/** A straight line through the two measurements. */
function tellCost([few, many]: Costs['board']['tells'], replicas: number, what: keyof Cost): number {
  const slope = (many[what] - few[what]) / (many.count - few.count);
  return Math.max(0, few[what] + slope * (replicas - few.count));
}

export interface Bounds {
  readonly costs: Costs;
  /** What a key takes of a replica, and what a replica may take for all of them. */
  readonly bytesPerKey: number;
  readonly replicaBytes: number;
  /** What the network of Redis carries away in a second. */
  readonly networkBytes: number;
}

/** Each resource, how full it is, and where it is full.
 *  @param series the same world with other numbers of replicas */
export function limitsOf(base: Figures, series: Series, bounds: Bounds): Limit[] {
  const { model } = base;
  const { costs } = bounds;
  const use: Readonly<Record<string, (figures: Figures) => number>> = {
    'thread of Redis': (figures) => sumOf(redisLoad(figures, costs).thread),
    'thread of Redis without reports': (figures) => sumOf({ ...redisLoad(figures, costs).thread, board: 0 }),
    'network of Redis': (figures) => sumOf(redisLoad(figures, costs).outBytes) / bounds.networkBytes,
    'memory of a replica': ({ held }) => (held * bounds.bytesPerKey) / bounds.replicaBytes,
  };
  return Object.entries(use).map(([name, used]) => ({
    name,
    used: used(base),
    keys: whereFull((keys) => used(figuresAt(series, base, keys, model.replicas)), 1_000, 1e9),
    replicas: whereFull((replicas) => used(figuresAt(series, base, model.keys, replicas)), 2, 10_000),
  }));
}

/** Keys that one client of MobilePay's can have: with more its calls at once are all in use at the peak.
 *  @param calls.peak of all keys, per second */
export function keysPerClient({
  model,
  calls,
}: Pick<Figures, 'model'> & { readonly calls: { readonly peak: number } }): number {
  const mostPerSecond = CALLS_PER_CLIENT / (model.upstreamMs / 1_000);
  return mostPerSecond / (calls.peak / model.keys);
}

/** The same world with other numbers of keys and replicas: steps grow with keys, and with replicas as in the series. */
export function figuresAt(series: Series, base: Figures, keys: number, replicas: number): Figures {
  const factor = keys / base.model.keys;
  const at = (figure: (figures: Figures) => number): number => {
    const here = between(series, base.model.replicas, figure);
    return here > 0 ? (factor * figure(base) * between(series, replicas, figure)) / here : 0;
  };
  const steps = Object.fromEntries(STEPS.map((step) => [step, at((figures) => figures.steps[step])]));
  return { model: { ...base.model, keys, replicas }, held: at(({ held }) => held), steps: steps as Figures['steps'] };
}

/** Straight lines between logarithms, and on beyond the last two. */
function between(series: Series, x: number, figure: (figures: Figures) => number): number {
  const above = series.findIndex(({ value }) => value >= x);
  const i = Math.max(1, above < 0 ? series.length - 1 : above);
  const [low, high] = [series[i - 1]!, series[i]!];
  const [from, to] = [figure(low.figures), figure(high.figures)];
  if (!(from > 0) || !(to > 0)) return Math.max(0, to);
  return from * (to / from) ** (Math.log(x / low.value) / Math.log(high.value / low.value));
}

/** @returns the x at which what is used reaches 1; undefined if it never does, 0 if it always has */
export function whereFull(used: (x: number) => number, least: number, most: number): number | undefined {
  if (used(most) < 1) return undefined;
  if (used(least) >= 1) return 0;
  let [low, high] = [least, most];
  while (high / low > 1.001) {
    const middle = Math.sqrt(low * high);
    if (used(middle) < 1) low = middle;
    else high = middle;
  }
  return low;
}
