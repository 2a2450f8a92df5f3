/** What replicas do together: one call for many cold callers, renewals that nobody waits for, many keys listed. */
import { once } from 'node:events';
import { connect } from 'node:net';

import { Redis } from 'ioredis';

import { keyLabel, tokenKey } from '../dist/libs/token/src/index.js';
import { median, send, startBrokers, startRedis, startSandbox, stopAll, vat } from './processes.mjs';

const REPLICAS = 6;
const CALLERS = 100;
const UPSTREAM_MS = 200;
const COLD_ROUNDS = 9;

export async function benchColdCallers() {
  const [sandbox, redis] = [await startSandbox(UPSTREAM_MS), await startRedis()];
  const { brokers, key } = await startBrokers(REPLICAS, sandbox, { REDIS_URL: redis.url });
  console.log(
    `Cold key: ${REPLICAS} replicas × ${CALLERS} callers, upstream of ${UPSTREAM_MS} ms, ${COLD_ROUNDS} keys`,
  );
  const callers = await Promise.all(
    Array.from({ length: REPLICAS * CALLERS }, (_, i) => connected(brokers[i % REPLICAS].url)),
  );
  // The first calls of each connection and process are not what is measured.
  for (let i = 1; i <= 3; i += 1) await coldRound(callers, key, sandbox, `FI0000000${i}`);
  const slowest = [];
  const control = [];
  for (let round = 1; round <= COLD_ROUNDS; round += 1) {
    const seen = await coldRound(callers, key, sandbox, `DK0000000${round}`);
    slowest.push(seen.slowestMs);
    // As many callers of the same key once more, which is in memory now: what this machine makes even of them.
    const warm = await coldRound(callers, key, sandbox, `DK0000000${round}`);
    control.push(warm.slowestMs);
    console.log(
      `  key ${round}: calls ${seen.calls}, tokens ${seen.tokens}, slowest caller ${seen.slowestMs} ms;` +
        ` once more, from memory, ${warm.slowestMs} ms`,
    );
  }
  const limit = UPSTREAM_MS + 50;
  const typical = median(slowest);
  console.log(
    `  slowest caller ${typical} ms, median of ${COLD_ROUNDS}; wanted at most ${limit}: ${typical <= limit ? 'reached' : 'NOT reached'}\n` +
      `  the same number of callers from memory: slowest ${median(control)} ms (600 requests at once, all of it on one machine)\n`,
  );
  for (const socket of callers) socket.destroy();
  await stopAll(...brokers, sandbox, redis);
}

/** @returns what the callers saw who all ask at once, each on a connection of its own that is open already */
async function coldRound(callers, key, sandbox, merchant_vat) {
  const body = JSON.stringify({ client: 'bench', merchant_vat });
  const head = `POST /v1/tokens HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\n`;
  const text = Buffer.from(`${head}Content-Length: ${body.length}\r\n\r\n${body}`);
  const answers = await Promise.all(callers.map((socket) => askOver(socket, text)));
  const { clients } = await send('GET', `${sandbox.url}/_sandbox/stats`, '');
  return {
    calls: clients.find((each) => each.merchant_vat === merchant_vat).calls,
    tokens: new Set(answers.map(({ body: answer }) => /"token_id":"([^"]+)"/.exec(answer)?.[1])).size,
    slowestMs: Math.round(Math.max(...answers.map(({ ms }) => ms))),
  };
}

/** The clients share two cores with all the servers: this one takes as little of them as it can, like wrk. */
function askOver(socket, text) {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const chunks = [];
    const read = (chunk) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks).toString('latin1');
      const [headers, body] = all.split('\r\n\r\n', 2);
      const [, length] = /content-length: (\d+)/i.exec(headers) ?? [];
      if (body === undefined || body.length < Number(length)) return;
      socket.off('data', read);
      if (headers.startsWith('HTTP/1.1 200')) resolve({ body, ms: performance.now() - startedAt });
      else reject(new Error(headers));
    };
    socket.on('data', read);
    socket.write(text);
  });
}

async function connected(url) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setNoDelay();
  await once(socket, 'connect');
  return socket;
}

/** Callers of a token that is renewed every few seconds, beside callers of one that is not, at the same time. */
export async function benchRenewals() {
  const upstreamMs = 1_000;
  const seconds = 20;
  const redis = await startRedis();
  const [short, long] = [await startSandbox(upstreamMs, { SANDBOX_EXPIRES_IN: '6' }), await startSandbox(upstreamMs)];
  const settings = { REDIS_URL: redis.url, SAFETY_MARGIN_SECONDS: '1', REFRESH_AT: '0.5' };
  const renewing = await startBrokers(2, short, { ...settings, REDIS_KEY_PREFIX: 'short:' });
  const steady = await startBrokers(2, long, { ...settings, REDIS_KEY_PREFIX: 'long:' });
  console.log(`Renewal: tokens of 6 s, renewed at 3 s by an upstream of ${upstreamMs} ms, ${seconds} s, two replicas`);
  const [a, b] = await Promise.all([renewing, steady].map((each) => askFor(seconds, each)));
  const { clients } = await send('GET', `${short.url}/_sandbox/stats`, '');
  console.log(
    `  ${clients[0].calls - 1} renewals; waits of ${a.length} and ${b.length} callers in ms:\n` +
      `  renewed     median ${at(a, 0.5)}, p99 ${at(a, 0.99)}, slowest ${at(a, 1)}\n` +
      `  not renewed median ${at(b, 0.5)}, p99 ${at(b, 0.99)}, slowest ${at(b, 1)}\n`,
  );
  await stopAll(...renewing.brokers, ...steady.brokers, short, long, redis);
}

async function askFor(seconds, { brokers, key }) {
  const body = { client: 'bench', merchant_vat: vat };
  await Promise.all(brokers.map(({ url }) => send('POST', `${url}/v1/tokens`, key, body)));
  const waits = [];
  for (const endAt = performance.now() + seconds * 1_000; performance.now() < endAt;) {
    const startedAt = performance.now();
    await send('POST', `${brokers[waits.length % brokers.length].url}/v1/tokens`, key, body);
    waits.push(performance.now() - startedAt);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return waits.toSorted((x, y) => x - y);
}

function at(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))].toFixed(1);
}

/** Pages through many keys, as an operator does. */
export async function benchListing() {
  const count = 100_000;
  const [sandbox, redis] = [await startSandbox(0), await startRedis()];
  const { brokers, key, adminKey } = await startBrokers(1, sandbox, { REDIS_URL: redis.url });
  const [{ url }] = brokers;
  await send('POST', `${url}/v1/tokens`, key, { client: 'bench', merchant_vat: vat });
  await multiply(redis, count);
  const waits = [];
  let cursor = '';
  for (let page = 0; page < 50; page += 1) {
    const startedAt = performance.now();
    const { items, next_cursor } = await send('GET', `${url}/v1/tokens?limit=100${cursor}`, adminKey);
    waits.push(performance.now() - startedAt);
    if (items.length !== 100 || !next_cursor) throw new Error(`a page of ${items.length} items`);
    cursor = `&cursor=${next_cursor}`;
  }
  const client = new Redis(redis.port);
  const scans = /cmdstat_(keys|scan|hscan|zscan):/.test(await client.info('commandstats'));
  client.disconnect();
  const sorted = waits.toSorted((x, y) => x - y);
  console.log(
    `Listing: ${count} keys in Redis, pages of 100: median ${at(sorted, 0.5)} ms, slowest of 50 ${at(sorted, 1)} ms;` +
      ` wanted under 50: ${sorted.at(-1) < 50 ? 'reached' : 'NOT reached'}; KEYS or SCAN used: ${scans ? 'yes' : 'no'}\n`,
  );
  await stopAll(...brokers, sandbox, redis);
}

/** Copies the one token's hash to as many merchants: what the broker itself would have written for them. */
async function multiply({ port }, count) {
  const client = new Redis(port);
  const [label] = await client.zrange('tb:{labels}', 0, 0);
  const record = await client.hgetall(`tb:{k:${label.slice(-43)}}`);
  const subject = JSON.parse(record.s);
  const until = Date.now() + 3_600_000;
  for (let made = 0; made < count; made += 1_000) {
    const pipeline = client.pipeline();
    for (let i = made; i < made + 1_000; i += 1) {
      const copy = tokenKey({ ...subject, merchantVat: `DK${String(i).padStart(8, '0')}` });
      pipeline.hset(`tb:{k:${copy.id}}`, { ...record, s: JSON.stringify(copy.subject) });
      pipeline.zadd('tb:{labels}', 0, keyLabel(copy));
      pipeline.zadd('tb:{labels}:until', until, keyLabel(copy));
    }
    await pipeline.exec();
  }
  client.disconnect();
}
