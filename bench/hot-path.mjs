/**
 * The hot path, a fresh token in memory: requests per second and processor time of the broker, beside servers that do the
 * same work without it.
 *
 * The machine may be shared and noisy: the servers run all the time, take turns in short rounds under the same load, and
 * what counts is the median of the rounds' ratios. BENCH_ROUNDS (default 9) and BENCH_SECONDS (default 2, whole) say how
 * many rounds, and how long each server is under load in one. BENCH_AGAINST names another checkout, built, to run beside
 * it.
 */
import { Redis } from 'ioredis';

import { bare, broker, oauthOf, textbook } from './contenders.mjs';
import { load, loadNote } from './load.mjs';
import { cores, median, spread, startRedis, startSandbox, stopAll } from './processes.mjs';

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 9);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 2);
/** What is thrown away before: the slowest of them takes as long until its code is compiled. */
const WARM_SECONDS = 4;
const AGAINST = process.env.BENCH_AGAINST;

export async function benchHotPath() {
  const elsewhere = { core: cores?.others };
  const sandbox = await startSandbox(0, {}, elsewhere);
  const [redis, textbooksRedis] = [await startRedis(elsewhere), await startRedis(elsewhere)];
  const c = await broker('c broker /v1/tokens', sandbox);
  const shared = await broker('c with Redis', sandbox, { REDIS_URL: redis.url });
  const a = await bare('a bare node:http', 'bench/contenders/bare-http.mjs', c);
  const b = await bare('b bare Fastify', 'bench/contenders/bare-fastify.mjs', c);
  const d = await oauthOf(c);
  const e = await textbook('e textbook', sandbox, textbooksRedis, c);
  const other = AGAINST && (await broker('the other', sandbox, {}, { from: AGAINST }));
  const all = [a, b, c, shared, d, e, ...(other ? [other] : [])];

  console.log(`Hot path: ${ROUNDS} rounds, each server ${SECONDS} s under load in each. ${loadNote}`);
  for (const each of all) await load(each, { seconds: WARM_SECONDS });
  const asked = await watchRedis(redis);
  const rounds = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const results = new Map();
    // Whoever goes first in one round goes last in the next.
    for (const each of round % 2 ? all : all.toReversed()) {
      results.set(each, await load(each, { seconds: SECONDS }));
      await asked.note(each === shared ? results.get(each).requests : 0);
    }
    rounds.push(results);
    console.log(`  round ${round}: ${all.map((each) => `${each.name} ${show(results.get(each))}`).join(' · ')}`);
  }
  const redisAsked = await asked.end();
  await stopAll(...new Set([a, b, c, shared, e, ...(other ? [other] : []), sandbox, redis, textbooksRedis]));
  return section({ a, b, c, shared, d, e, other }, all, rounds, redisAsked);
}

function section({ a, b, c, shared, d, e, other }, all, rounds, redisAsked) {
  const values = (of, what) => rounds.map((results) => results.get(of)[what]);
  const ratios = (x, y) => rounds.map((results) => results.get(x).perSecond / results.get(y).perSecond);
  // By processor time, the more the better as well: how many requests of x one of y would pay for.
  const byCpu = (x, y) => rounds.map((results) => results.get(y).cpuUs / results.get(x).cpuUs);
  const compared = (measure, x, y, wanted, atLeast) => ({
    measure: `${measure}, requests per second`,
    wanted,
    found: `${spread(ratios(x, y))}; by processor time ${spread(byCpu(x, y))}`,
    reached: atLeast === undefined ? null : median(ratios(x, y)) >= atLeast,
  });
  const figures = all.map((each) => ({
    measure: `${each.name}: requests per second; processor time of one; share of a core`,
    wanted: 'told',
    found: [
      spread(values(each, 'perSecond'), 0),
      `${spread(values(each, 'cpuUs'), 1)} µs`,
      `${Math.round(median(values(each, 'cpu')) * 100)} %`,
    ].join('; '),
    reached: null,
  }));
  const bars = (what) => all.map((each) => bar(each.name, values(each, what)));
  const { requests, onTokens, underLoad, idle } = redisAsked;
  return {
    id: 'hot-path',
    title: 'Hot path',
    ran: new Date().toISOString(),
    rows: [
      compared('c ÷ b', c, b, '≥ 1.0 (aim 1.5)', 1),
      compared('c ÷ a', c, a, 'told'),
      compared('d ÷ b', d, b, '≥ 0.9', 0.9),
      compared('c ÷ e', c, e, '≥ 5', 5),
      compared('c with Redis ÷ c', shared, c, 'told'),
      ...(other ? [compared('c ÷ the other checkout', c, other, 'told')] : []),
      {
        measure: 'Redis commands per hot request',
        wanted: '0',
        found:
          `${onTokens} on tokens in ${requests} requests; ` +
          `${underLoad.toFixed(1)} of any kind per second under load, ${idle.toFixed(1)} without any`,
        // What a replica says of itself goes on under load: a thousandth of a command per request would be seen.
        reached: onTokens === 0 && underLoad - idle < requests / (ROUNDS * SECONDS) / 1_000,
      },
      ...figures,
    ],
    charts: [
      {
        name: 'hot-path',
        title: 'Requests per second of one process',
        kind: 'bars',
        unit: 'requests/s',
        items: bars('perSecond'),
      },
      { name: 'hot-path-cpu', title: 'Processor time of one request', kind: 'bars', unit: 'µs', items: bars('cpuUs') },
    ],
    notes: [
      'All answer the same request with the same fields after the same checks: the key by its SHA-256, compared in constant time, the body, the grants; life left is computed for each answer.',
      'a: node:http. b: Fastify with schemas for body and answer. c, d: the broker with vault, grants, metrics, rate limits, and the audit trail to a file. e: Nest on Express with a guard, the global ValidationPipe and one GET from Redis for each request.',
      loadNote,
      `After ${WARM_SECONDS} s of warm-up each server is under load for ${SECONDS} s in each of ${ROUNDS} rounds; who goes first in one round goes last in the next. Figures are medians of the rounds, with the lowest and the highest; a ratio is the median of the ratios of each round.`,
      'A server that got less than its core was held back by others on this machine. The ratio by processor time is that of the microseconds that a request costs on the server: noise of the machine disturbs it least.',
    ],
  };
}

function bar(label, values) {
  return { label, value: median(values), low: Math.min(...values), high: Math.max(...values) };
}

/**
 * Counts what Redis is asked, while its broker is under load and while it is not. On tokens: by the keys in which they
 * stand, also in scripts.
 */
async function watchRedis({ port }) {
  const client = new Redis(port);
  const monitor = await client.monitor();
  let onTokens = 0;
  monitor.on('monitor', (_, command) => {
    if (command.slice(1).some((arg) => arg.includes('{k:'))) onTokens += 1;
  });
  const commands = async () => Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))[1]);
  let last = { count: await commands(), at: performance.now() };
  const sums = { load: { count: 0, ms: 0 }, idle: { count: 0, ms: 0 } };
  let requests = 0;
  return {
    /** What came since the last time: while there were so many requests, or none. */
    async note(requestsSince) {
      const now = { count: await commands(), at: performance.now() };
      const sum = sums[requestsSince > 0 ? 'load' : 'idle'];
      // Less the question itself.
      sum.count += now.count - last.count - 1;
      sum.ms += now.at - last.at;
      requests += requestsSince;
      last = now;
    },
    async end() {
      await client.quit();
      monitor.disconnect();
      const perSecond = ({ count, ms }) => (count * 1_000) / ms;
      return { requests, onTokens, underLoad: perSecond(sums.load), idle: perSecond(sums.idle) };
    },
  };
}

function show({ perSecond, cpuUs }) {
  return `${Math.round(perSecond)}/s ${cpuUs.toFixed(1)} µs`;
}
