/**
 * The heap of a broker under steady load, after a forced collection each minute. STEADY_MINUTES (default 10, at least 3)
 * says how long.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { broker } from './contenders.mjs';
import { load, loadNote } from './load.mjs';
import { cores, said, startRedis, startSandbox, stopAll } from './processes.mjs';

const MINUTES = Math.max(3, Number(process.env.STEADY_MINUTES ?? 10));
const HOOK = join(import.meta.dirname, 'heap-on-signal.mjs');
const CONNECTIONS = 32;
/** Of each connection, in ms: some 3,000 requests/s in all. */
const PAUSE_MS = 10;
/** The last sample may be so much above the first. */
const GROWTH = 1.02;

export async function benchSteady() {
  const elsewhere = { core: cores?.others };
  const [sandbox, redis] = [await startSandbox(0, {}, elsewhere), await startRedis(elsewhere)];
  const server = await broker(
    'broker',
    sandbox,
    { REDIS_URL: redis.url },
    { nodeArgs: ['--expose-gc', '--import', HOOK] },
  );
  console.log(`Steady load: ${MINUTES} minutes. ${loadNote}`);
  const samples = [];
  let requests = 0;
  for (let minute = 1; minute <= MINUTES; minute += 1) {
    const seen = await load(server, { seconds: 59, connections: CONNECTIONS, pauseMs: PAUSE_MS });
    requests += seen.requests;
    // What the last requests left to do is done by then.
    await sleep(500);
    samples.push(await heapBytes(server.child));
    console.log(`  minute ${minute}: heap ${inMb(samples.at(-1))} MB, ${Math.round(seen.perSecond)} requests/s`);
  }
  await stopAll(server, sandbox, redis);
  return section(samples, requests);
}

function section(samples, requests) {
  const [first, last] = [samples[0], samples.at(-1)];
  const perMinute = slope(samples.slice(1));
  return {
    id: 'steady',
    title: 'Steady load',
    ran: new Date().toISOString(),
    rows: [
      {
        measure: `heap after ${MINUTES} minutes, against that after the first`,
        wanted: `no growth (at most ${Math.round((GROWTH - 1) * 100)} %)`,
        found: `${inMb(first)} MB, then ${inMb(last)} MB (${(((last - first) / first) * 100).toFixed(1)} %)`,
        reached: last <= first * GROWTH,
      },
      {
        measure: 'slope from the second minute on',
        wanted: 'told',
        found: `${(perMinute / 1_024).toFixed(1)} KB per minute`,
        reached: null,
      },
    ],
    charts: [
      {
        name: 'steady',
        title: 'Heap after a collection',
        kind: 'lines',
        unit: 'MB',
        across: 'minutes',
        items: [{ label: 'heap', points: samples.map((bytes, i) => [i + 1, Number(inMb(bytes))]) }],
      },
    ],
    notes: [
      `${requests} requests to one broker with Redis, ${Math.round(requests / (MINUTES * 60))} per second; one sample a minute, after two forced collections.`,
    ],
  };
}

function heapBytes(child) {
  const answer = said(child, /heap (\d+)\n/);
  child.kill('SIGUSR2');
  return answer.then(Number);
}

/** Of the straight line nearest to the samples. */
function slope(samples) {
  const middle = (samples.length - 1) / 2;
  const mean = samples.reduce((sum, each) => sum + each, 0) / samples.length;
  const up = samples.reduce((sum, each, i) => sum + (i - middle) * (each - mean), 0);
  return up / samples.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
}

function inMb(bytes) {
  return (bytes / 1_048_576).toFixed(2);
}
