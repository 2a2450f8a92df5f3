/** Where it ends: what Redis, its network, a replica and MobilePay bear, and which of them is full first. */
import { STEPS } from '../../dist/test/simulation/scale/tally.js';

/** As libs and apps have them: each replica reports itself each second, and 100 ms after news; see reporter.ts. */
const REPORT = { everySeconds: 1, soonSeconds: 0.1 };
/** Events of one kind that a replica puts on the board, and one that says how many more there were; see repeats.ts. */
const EVENTS_PER_MINUTE = 31;
/** Each replica asks Redis for the time each 5 s, see redis-link.ts, and its subscription answers a ping each 3 s. */
const CHORES_PER_SECOND = 1 / 5 + 1 / 3;
const CALLS_PER_CLIENT = 5;

/** How often all replicas report, and what they read by it, at a rate of refreshes of all of them. */
export function boardOf(replicas, refreshesPerSecond) {
  const own = refreshesPerSecond / replicas;
  const events = Math.min(own, EVENTS_PER_MINUTE / 60);
  // A refresh is news when it begins, and as an event when it has ended. News within 100 ms is told at once.
  const news = own + events;
  const soon = news / (1 + REPORT.soonSeconds * news);
  return { tells: replicas * (1 / REPORT.everySeconds + soon), events: replicas * events };
}

/** What one second of the busiest quarter costs Redis.
 *  @param figures at so many replicas, of all keys */
export function redisLoad(figures, costs) {
  const { replicas } = figures.model;
  const { tells, events } = boardOf(replicas, figures.steps.commit);
  const each = (what) => {
    const costOf = (step) => (costs.costs[step] ?? costs.costs.busy)[what];
    const tell = tellCost(costs.board.tells, replicas, what) + costs.board.read[what];
    return {
      steps: STEPS.reduce((sum, step) => sum + figures.steps[step] * costOf(step), 0),
      fanOut: figures.steps.commit * replicas * costs.delivery[what],
      board: tells * tell + events * replicas * costs.board.event[what],
    };
  };
  const [us, outBytes] = [each('us'), each('outBytes')];
  return {
    tells,
    chores: CHORES_PER_SECOND * replicas,
    thread: { steps: us.steps / 1e6, fanOut: us.fanOut / 1e6, board: us.board / 1e6 },
    outBytes,
  };
}

/** A straight line through the two measurements. */
function tellCost([few, many], replicas, what) {
  const slope = (many[what] - few[what]) / (many.count - few.count);
  return Math.max(0, few[what] + slope * (replicas - few.count));
}

export const sum = (parts) => Object.values(parts).reduce((total, part) => total + part, 0);

/** The same world with other numbers of keys and replicas: steps grow with replicas as they do in the series. */
function figuresAt(series, base, keys, replicas) {
  const factor = keys / base.model.keys;
  const at = (figure) => {
    const here = between(series, base.model.replicas, figure);
    return here > 0 ? (factor * figure(base) * between(series, replicas, figure)) / here : 0;
  };
  return {
    model: { ...base.model, keys, replicas },
    held: at((figures) => figures.held),
    steps: Object.fromEntries(STEPS.map((step) => [step, at((figures) => figures.steps[step])])),
  };
}

/** Straight lines between logarithms, and on beyond the last two. */
function between(series, x, figure) {
  let i = series.findIndex(({ value }) => value >= x);
  if (i <= 0) i = i === 0 ? 1 : series.length - 1;
  const [low, high] = [series[i - 1], series[i]];
  const [from, to] = [figure(low.figures), figure(high.figures)];
  if (!(from > 0) || !(to > 0)) return Math.max(0, to);
  return from * (to / from) ** (Math.log(x / low.value) / Math.log(high.value / low.value));
}

/** Resources by how full they are at the given size, and at how many keys, or replicas, they would be full. */
export function limitsOf({ profile, series, costs, memory, options }) {
  const { model } = profile;
  const world = (keys, replicas) => figuresAt(series, profile, keys, replicas);
  const use = {
    'thread of Redis': (figures) => sum(redisLoad(figures, costs).thread),
    'network of Redis': (figures) => sum(redisLoad(figures, costs).outBytes) / options.networkBytes,
    'memory of a replica': (figures) => (figures.held * memory.bytesPerKey) / options.replicaBytes,
  };
  const mostKeys = keysPerClient(profile);
  const client = {
    name: 'five calls at once of a client',
    used: model.keysPerClient / mostKeys,
    keys: (mostKeys / model.keysPerClient) * model.keys,
    replicas: undefined,
  };
  const found = Object.entries(use).map(([name, used]) => ({
    name,
    used: used(world(model.keys, model.replicas)),
    keys: whereFull((keys) => used(world(keys, model.replicas)), 1_000, 1e9),
    replicas: whereFull((replicas) => used(world(model.keys, replicas)), 2, 10_000),
  }));
  return [...found, client];
}

/** @returns the x at which what is used reaches 1; undefined if it never does, 0 if it always is */
function whereFull(used, least, most) {
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

/** Keys that one client of MobilePay's can have, as its calls at once last. */
export function keysPerClient({ calls, model }) {
  const callsPerSecond = CALLS_PER_CLIENT / (model.upstreamMs / 1_000);
  return callsPerSecond / (calls.peak / model.keys);
}
