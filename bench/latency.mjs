/**
 * How long the slowest of a hundred callers waits while the broker is half busy, beside bare Fastify at the same rate.
 * Each connection pauses at random between its requests, so that they come as from many independent callers.
 */
import { bare, broker } from './contenders.mjs';
import { load, loadNote } from './load.mjs';
import { cores, median, spread, startSandbox, stopAll } from './processes.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 9);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
const CONNECTIONS = 128;
/** Rounds in which the rate is found. */
const TRIES = 3;
/** The two rates may differ by this much for their p99s to be compared. */
const SAME_RATE = 0.05;
/** By how much c may be slower, in ms. */
const MORE_MS = 0.3;
/** Nearer to its top rate than this, bare Fastify would be measured in its queue. */
const MOST_OF_B = 0.85;

export async function benchLatency() {
  const sandbox = await startSandbox(0, {}, { core: cores?.others });
  const c = await broker('c', sandbox);
  const b = await bare('b', 'bench/contenders/bare-fastify.mjs', c);
  const top = { c: await topRate(c), b: await topRate(b) };
  const rate = Math.min(top.c / 2, top.b * MOST_OF_B);
  console.log(
    `Latency: c at most ${Math.round(top.c)}/s, b ${Math.round(top.b)}/s; both at ${Math.round(rate)}/s. ${loadNote}`,
  );
  const [pacedB, pacedC] = [new Pace(b, rate), new Pace(c, rate)];
  for (let i = 0; i < TRIES; i += 1) for (const each of [pacedB, pacedC]) await each.round();
  const rounds = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const results = new Map();
    for (const each of round % 2 ? [pacedB, pacedC] : [pacedC, pacedB]) results.set(each, await each.round());
    const seen = { b: results.get(pacedB), c: results.get(pacedC) };
    rounds.push(seen);
    console.log(`  round ${round}: b ${show(seen.b)} · c ${show(seen.c)}`);
  }
  await stopAll(b, c, sandbox);
  return section(rounds, top, rate);
}

function section(rounds, top, rate) {
  const values = (of, what) => rounds.map((results) => results[of][what]);
  const p99 = { b: values('b', 'p99Ms'), c: values('c', 'p99Ms') };
  const differences = rounds.map(({ b, c }) => c.p99Ms - b.p99Ms);
  const rates = { b: median(values('b', 'perSecond')), c: median(values('c', 'perSecond')) };
  const told = (measure, found) => ({ measure, wanted: 'told', found, reached: null });
  const isSameRate = Math.abs(rates.c / rates.b - 1) <= SAME_RATE;
  const isHalf = rate === top.c / 2;
  return {
    id: 'latency',
    title: 'Latency',
    ran: new Date().toISOString(),
    rows: [
      {
        measure: isHalf ? 'p99 of c at half its top rate, less p99 of b at the same rate' : 'p99 of c less p99 of b',
        wanted: `≤ ${MORE_MS} ms`,
        found: `${spread(differences)} ms`,
        reached: isSameRate && median(differences) <= MORE_MS,
      },
      told('c: p99; median', `${spread(p99.c)} ms; ${spread(values('c', 'p50Ms'))} ms`),
      told('b: p99; median', `${spread(p99.b)} ms; ${spread(values('b', 'p50Ms'))} ms`),
      told('rate of c; of b', `${Math.round(rates.c)}/s; ${Math.round(rates.b)}/s`),
    ],
    charts: [
      {
        name: 'latency',
        title: `p99 at ${Math.round(rate)} requests/s`,
        kind: 'bars',
        unit: 'ms',
        items: ['b', 'c'].map((of) => ({
          label: of === 'b' ? 'b bare Fastify' : 'c broker /v1/tokens',
          value: median(p99[of]),
          low: Math.min(...p99[of]),
          high: Math.max(...p99[of]),
        })),
      },
    ],
    notes: [
      `Top rates found first: c ${Math.round(top.c)}/s, b ${Math.round(top.b)}/s. ${CONNECTIONS} connections, each of which pauses at random between two requests, from no time to twice the mean.`,
      ...(isHalf
        ? []
        : [`Half of c's top rate is more than ${MOST_OF_B} of b's: both were measured at that, which b can bear.`]),
      ...(isSameRate
        ? []
        : ['The two rates came out too different for a comparison: the machine was busy with something else.']),
      `Medians of ${ROUNDS} rounds of ${SECONDS} s, with the lowest and the highest.`,
    ],
  };
}

/** The best of some rounds: in the others something else may have held it back. */
async function topRate(server) {
  const rates = [];
  for (let i = 0; i < 5; i += 1) rates.push((await load(server, { seconds: SECONDS })).perSecond);
  return Math.max(...rates);
}

/** A server at a steady rate. How long connections must pause for it depends on the time of the answers: that is found by
 *  trying, and corrected after each round. */
class Pace {
  #everyMs;
  #pauseMs;

  constructor(server, perSecond) {
    this.server = server;
    this.#everyMs = this.#pauseMs = (CONNECTIONS * 1_000) / perSecond;
  }

  async round() {
    const seen = await load(this.server, { seconds: SECONDS, connections: CONNECTIONS, pauseMs: this.#pauseMs });
    this.#pauseMs = Math.max(1, this.#pauseMs + this.#everyMs - (CONNECTIONS * 1_000) / seen.perSecond);
    return seen;
  }
}

function show({ p99Ms, perSecond }) {
  return `p99 ${p99Ms.toFixed(2)} ms at ${Math.round(perSecond)}/s`;
}
