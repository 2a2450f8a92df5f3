/** From the spawn of a broker to its first "ready", told from outside. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  cpuMs,
  freePort,
  importClient,
  launch,
  median,
  spread,
  startBrokers,
  startRedis,
  startSandbox,
  stopAll,
} from './processes.mjs';

const STARTS = 5;
const CLIENTS = 5;
const WITHIN_MS = 1_500;
const POLL_MS = 5;
const LIMIT_MS = 30_000;

export async function benchStart() {
  console.log(`Start: ${STARTS} starts each, a vault of ${CLIENTS} clients`);
  const [sandbox, redis] = [await startSandbox(0), await startRedis()];
  const alone = await starts('alone', sandbox, {});
  const shared = await starts('with Redis', sandbox, { REDIS_URL: redis.url });
  await stopAll(sandbox, redis);
  const inSeconds = (times, what) => times.map((each) => each[what] / 1_000);
  const row = (name, times) => ({
    measure: `start to ready, ${name}`,
    wanted: `≤ ${WITHIN_MS / 1_000} s`,
    found: `${spread(inSeconds(times, 'ms'))} s; processor time ${spread(inSeconds(times, 'cpu'))} s`,
    reached: median(inSeconds(times, 'ms')) <= WITHIN_MS / 1_000,
  });
  return {
    id: 'start',
    title: 'Start',
    ran: new Date().toISOString(),
    rows: [row('without Redis', alone), row('with Redis', shared)],
    charts: [],
    notes: [
      `From the spawn of the process until GET /health/ready answers 200, asked every ${POLL_MS} ms; ${STARTS} starts each, with a vault of ${CLIENTS} clients; the median, the fastest and the slowest. The processor time is of all threads: where it is less than the time by much, others held the start back.`,
    ],
  };
}

async function starts(name, sandbox, env) {
  const { brokers, adminKey, settings, entry } = await startBrokers(1, sandbox, env);
  for (let i = 1; i < CLIENTS; i += 1) await importClient(brokers[0], sandbox, adminKey, `client-${i}`);
  await stopAll(...brokers);
  const times = [];
  for (let i = 0; i < STARTS; i += 1) {
    const PORT = String(await freePort());
    const startedAt = performance.now();
    // Logs are JSON, as in production.
    const child = launch(process.execPath, [entry], { PATH: process.env.PATH, ...settings, LOG_FORMAT: 'json', PORT });
    child.stdout.resume();
    await ready(`http://127.0.0.1:${PORT}/health/ready`, child);
    times.push({ ms: performance.now() - startedAt, cpu: cpuMs(child) });
    await stopAll({ child });
  }
  console.log(`  ${name}: ${times.map(({ ms }) => `${Math.round(ms)} ms`).join(', ')}`);
  return times;
}

async function ready(url, child) {
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the broker ended with ${code}`);
  });
  ended.catch(() => {});
  for (const until = performance.now() + LIMIT_MS; performance.now() < until;) {
    const isReady = await Promise.race([
      ended,
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      ),
    ]);
    if (isReady) return;
    await sleep(POLL_MS);
  }
  throw new Error('the broker was not ready in time');
}
