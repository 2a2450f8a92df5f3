/** Many days, each with one thing doubled: what grows with what. */
import { simulateDay } from '../../dist/test/simulation/scale/day.js';
import { COST, STEPS } from '../../dist/test/simulation/scale/tally.js';

const QUARTER_S = 900;

/** Figures of the whole world, from those of the sample. */
export function figuresOf(day) {
  const { model, totals, quarters } = day;
  const factor = model.keys / model.sample;
  const perDay = (count) => totals[count] * factor;
  const atPeak = (count) => (Math.max(...quarters[count]) * factor) / QUARTER_S;
  const scriptsIn = (counts) => STEPS.reduce((sum, step) => sum + counts(step) * COST[step].scripts, 0);
  const scriptQuarters = quarters.hit.map((_, i) => scriptsIn((step) => quarters[step][i]));
  // The quarter in which Redis has the most to do.
  const busiest = scriptQuarters.indexOf(Math.max(...scriptQuarters));
  return {
    model,
    requests: { day: perDay('requests'), peak: atPeak('requests') },
    fromMemory: totals.from_memory / totals.requests,
    scripts: { day: scriptsIn(perDay), peak: (scriptQuarters[busiest] * factor) / QUARTER_S },
    hits: { day: perDay('hit'), peak: atPeak('hit') },
    calls: { day: perDay('upstream_calls'), peak: atPeak('upstream_calls') },
    duplicates: perDay('duplicates'),
    messages: { day: perDay('messages'), peak: atPeak('messages') },
    deliveries: { day: perDay('deliveries'), peak: atPeak('deliveries') },
    wanted: totals.wanted_deliveries / totals.deliveries,
    onDemand: 1 - totals.renewals_ahead / totals.upstream_calls,
    refused: totals.refused / totals.requests,
    waits: day.waits,
    held: day.heldAtMost * factor,
    stored: day.storedAtMost * factor,
    // Each step, per second of that quarter.
    steps: Object.fromEntries(STEPS.map((step) => [step, (quarters[step][busiest] * factor) / QUARTER_S])),
  };
}

/** Runs all of it, one day after the other. */
export async function simulateAll({ model, quiet, busy }, say) {
  const run = async (title, changes) => {
    say(title);
    return figuresOf(await simulateDay({ ...model, ...changes }, (hour) => say(`${title}, ${hour} h`, true)));
  };
  const few = Math.max(50, Math.ceil(model.sample / 16));
  const small = { sample: few, keysPerClient: few };
  const series = async (name, values, changesFor) => {
    const found = [];
    for (const value of values) {
      found.push({ value, figures: await run(`${name} ${value}`, changesFor(value)) });
    }
    return found;
  };
  const profiles = {
    quiet: await run(`${quiet} requests per key and hour`, { requestsPerKeyPerHour: quiet }),
    busy: await run(`${busy} requests per key and hour`, { requestsPerKeyPerHour: busy }),
  };
  const shares = [1 / 32, 1 / 8, 1 / 4, 1 / 2, 1, 2];
  const counts = [...new Set(shares.map((share) => Math.max(1, Math.round(model.replicas * share))))];
  const byReplicas = (requestsPerKeyPerHour) =>
    series(`${requestsPerKeyPerHour} requests, replicas:`, counts, (replicas) => ({
      ...small,
      replicas,
      requestsPerKeyPerHour,
    }));
  const choices = [...new Set([1, 2, 8, model.replicas])].filter((each) => each <= model.replicas);
  // Scaled like the whole, each sample stands for so many keys.
  const share = model.keys / model.sample;
  return {
    profiles,
    replicas: { quiet: await byReplicas(quiet), busy: await byReplicas(busy) },
    routing: await series('replicas that a key is asked at:', choices, (replicasPerKey) => ({
      ...small,
      replicasPerKey,
      requestsPerKeyPerHour: busy,
    })),
    keys: await series('keys in the sample:', [few, 2 * few, 4 * few], (sample) => ({
      sample,
      keys: Math.round(sample * share),
      keysPerClient: sample,
      requestsPerKeyPerHour: busy,
    })),
    requests: await series('requests per key and hour:', ratesBetween(quiet, busy), (requestsPerKeyPerHour) => ({
      ...small,
      requestsPerKeyPerHour,
    })),
    life: await series(
      'life of a token in s:',
      [0.5, 1, 2].map((each) => model.lifeSeconds * each),
      (lifeSeconds) => ({
        ...small,
        lifeSeconds,
        requestsPerKeyPerHour: quiet,
      }),
    ),
    client: await simulateClients(model, quiet, say),
  };
}

/** One client with ever more keys, and a slow MobilePay, until its five calls at once do not suffice: from midnight until
 *  the shops have been open for an hour. Few replicas: they make no difference to that. */
async function simulateClients(model, requestsPerKeyPerHour, say) {
  const found = [];
  for (const [keys, upstreamMs] of [
    [2_000, 2_000],
    [4_000, 2_000],
    [6_000, 2_000],
    [8_000, 2_000],
    [8_000, 1_000],
  ]) {
    say(`one client of ${keys} keys, MobilePay takes ${upstreamMs} ms`);
    const one = { keys, sample: keys, keysPerClient: keys, replicas: 20, upstreamMs, requestsPerKeyPerHour };
    found.push(figuresOf(await simulateDay({ ...model, ...one, hours: model.opensAt + 1 })));
  }
  return found;
}

function ratesBetween(least, most) {
  const rates = [];
  for (let rate = least; rate < most * 0.75; rate *= 2) rates.push(rate);
  return [...rates, most];
}

/** By how much a figure grows each time that what stands before it doubles, on average of the series. */
export function growthOf(series, figure) {
  const [first, last] = [series[0], series.at(-1)];
  const [low, high] = [figure(first.figures), figure(last.figures)];
  if (!(low > 0) || !(high > 0)) return undefined;
  return 2 ** (Math.log(high / low) / Math.log(last.value / first.value));
}
