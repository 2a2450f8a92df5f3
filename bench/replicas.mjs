/** What replicas do together: renewals that nobody waits for, many keys listed. */
import { Redis } from 'ioredis';

import { keyLabel, tokenKey } from '../dist/libs/token/src/index.js';
import { send, startBrokers, startRedis, startSandbox, stopAll, vat } from './processes.mjs';

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
  await stopAll(...renewing.brokers, ...steady.brokers, short, long, redis);
  const waits = (of) => `median ${at(of, 0.5)}, p99 ${at(of, 0.99)}, slowest ${at(of, 1)} ms, ${of.length} callers`;
  return {
    id: 'renewals',
    title: 'Renewal',
    ran: new Date().toISOString(),
    rows: [
      { measure: 'callers of a token that is being renewed', wanted: 'told', found: waits(a), reached: null },
      { measure: 'callers of one that is not, at the same time', wanted: 'told', found: waits(b), reached: null },
      { measure: `renewals in ${seconds} s`, wanted: 'told', found: String(clients[0].calls - 1), reached: null },
    ],
    charts: [],
    notes: [`Tokens of 6 s, renewed at 3 s by an upstream of ${upstreamMs} ms; two replicas.`],
  };
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
  console.log(`Listing: ${count} keys in Redis, pages of 100`);
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
  await stopAll(...brokers, sandbox, redis);
  return {
    id: 'listing',
    title: 'Listing',
    ran: new Date().toISOString(),
    rows: [
      {
        measure: `a page of 100 of ${count} keys, slowest of 50`,
        wanted: '< 50 ms',
        found: `${at(sorted, 1)} ms, median ${at(sorted, 0.5)} ms`,
        reached: sorted.at(-1) < 50,
      },
      { measure: 'KEYS or SCAN used', wanted: 'no', found: scans ? 'yes' : 'no', reached: !scans },
    ],
    charts: [],
    notes: ['The keys are in Redis; one replica reads through them page by page.'],
  };
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
