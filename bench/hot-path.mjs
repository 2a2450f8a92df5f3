/**
 * Requests per second of the hot path, a fresh token in memory, beside bare Fastify doing the same work; with and without
 * Redis.
 *
 * The machine may be shared and noisy: the servers run all the time, take turns in short rounds under the same load, and
 * what counts is the median of the rounds' ratios. BENCH_ROUNDS (default 7) and BENCH_SECONDS (default 3) say how many
 * rounds, and how long each server is under load in one. BENCH_AGAINST names another checkout, built, to run beside it.
 */
import { readFileSync } from 'node:fs';

import autocannon from 'autocannon';
import { Redis } from 'ioredis';

import { median, send, start, startBrokers, startRedis, startSandbox, stopAll, vat } from './processes.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 3);
const CONNECTIONS = 32;
const AT_LEAST = 0.6;
const AGAINST = process.env.BENCH_AGAINST;

export async function benchHotPath() {
  const sandbox = await startSandbox(0);
  const redis = await startRedis();
  const alone = await contender('in memory', await startBrokers(1, sandbox));
  const shared = await contender('with Redis', await startBrokers(1, sandbox, { REDIS_URL: redis.url }));
  const bare = await bareFastify(alone);
  const other = AGAINST && (await contender('the other', await startBrokers(1, sandbox, {}, AGAINST)));
  const all = [alone, shared, bare, ...(other ? [other] : [])];

  console.log(`Hot path: ${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s each, Node ${process.version}`);
  await Promise.all(all.map(load)); // Warm all of them up, together, and throw that away.
  const onTokens = await watchTokens(redis);
  const rounds = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    // Whoever goes first in one round goes last in the next.
    const results = new Map();
    for (const each of round % 2 ? all : all.toReversed()) results.set(each, await load(each));
    rounds.push(all.map((each) => results.get(each)));
    console.log(`  round ${round}: ${all.map((each) => `${each.name} ${show(results.get(each))}`).join('   ')}`);
  }

  const typical = (index) => Math.round(median(rounds.map((results) => results[index].perSecond)));
  const ratio = (a, b) => median(rounds.map((results) => results[a].perSecond / results[b].perSecond));
  const ofBare = ratio(0, 2);
  console.log(
    `  broker ${typical(0)} requests/s, with Redis ${typical(1)}, bare Fastify ${typical(2)}\n` +
      `  broker / bare Fastify ${ofBare.toFixed(2)}, median of ${ROUNDS}; wanted ${AT_LEAST}: ${ofBare >= AT_LEAST ? 'reached' : 'NOT reached'}\n` +
      `  with Redis / without ${ratio(1, 0).toFixed(2)}; with Redis / bare Fastify ${ratio(1, 2).toFixed(2)}`,
  );
  if (other) console.log(`  broker / the other ${ratio(0, 3).toFixed(3)}`);
  const requests = rounds.reduce((sum, results) => sum + results[1].requests, 0);
  console.log(`  Redis commands on tokens in ${requests} requests: ${onTokens()}\n`);
  await stopAll(...all, sandbox, redis);
}

/** A broker that holds one token, as it is put under load. */
async function contender(name, { brokers: [{ child, url }], key }) {
  const body = { client: 'bench', merchant_vat: vat };
  const answer = await send('POST', `${url}/v1/tokens`, key, body);
  return { name, child, url, key, body: JSON.stringify(body), answer };
}

async function bareFastify({ key, body, answer }) {
  const { child, url } = await start('bench/bare-fastify.mjs', { BENCH_KEY: key, BENCH_TOKEN: answer.access_token });
  const same = await send('POST', `${url}/v1/tokens`, key, JSON.parse(body));
  if (Object.keys(answer).join() !== Object.keys(same).join()) throw new Error('the servers answer differently');
  return { name: 'bare Fastify', child, url, key, body };
}

async function load({ url, child, key, body }) {
  const cpuBefore = cpuMs(child.pid);
  const result = await autocannon({
    url: `${url}/v1/tokens`,
    method: 'POST',
    connections: CONNECTIONS,
    duration: SECONDS,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
  });
  if (result.non2xx > 0 || result.errors > 0) {
    throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} failed`);
  }
  const requests = result.requests.total;
  const cpu = (cpuMs(child.pid) - cpuBefore) / 1_000 / result.duration;
  return { requests, perSecond: requests / result.duration, cpu };
}

/** Counts what is asked of the keys in which tokens stand, by scripts as well.
 *  @returns what gives the count so far, and ends the watch */
async function watchTokens({ port }) {
  const client = new Redis(port);
  const monitor = await client.monitor();
  let count = 0;
  monitor.on('monitor', (_, command) => {
    if (command.slice(1).some((arg) => arg.includes('{k:'))) count += 1;
  });
  return () => {
    monitor.disconnect();
    client.disconnect();
    return count;
  };
}

/** CPU time that a process has used, in ms; NaN where there is no /proc. */
function cpuMs(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

function show({ perSecond, cpu }) {
  return `${String(Math.round(perSecond)).padStart(6)}/s (${Math.round(cpu * 100)} % of a core)`;
}
