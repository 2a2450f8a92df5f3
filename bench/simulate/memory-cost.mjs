/** What a key takes of a replica's heap, and of its time when a message arrives: the real core in this very process. */
import { systemClock } from '../../dist/apps/broker/src/config/system-clock.js';
import { AccessToken, defaultPolicy, TokenBroker, tokenKey } from '../../dist/libs/token/src/index.js';

const KEYS = 20_000;
const MESSAGES = 400_000;

/** Needs `--expose-gc`. */
export async function measureMemory({ tokenBytes, say }) {
  say('Memory: what a key takes of a replica');
  let listener = () => {};
  let made = 0;
  // Redis answers with a token that was opened and parsed: a string of its own, not a part of another.
  const store = {
    subscribe: (hear) => {
      listener = hear;
      return () => {};
    },
    acquire: async () => {
      made += 1;
      const text = JSON.parse(`["${String(made).padEnd(tokenBytes, 'x')}"]`)[0];
      const token = new AccessToken(text, 'Bearer', undefined);
      return { kind: 'hit', token: { token, lifeMs: 3_600_000, generation: made, remainingMs: 3_600_000 } };
    },
  };
  const broker = new TokenBroker({
    store,
    issuer: { issue: () => Promise.reject(new Error('nobody leads here')) },
    policy: defaultPolicy,
    clock: systemClock,
    replica: 'one',
    random: Math.random,
    onEvent: () => {},
  });
  for (let i = 0; i < 1_000; i += 1) await broker.get(keyOf(i), 0);
  const before = heapBytes();
  for (let i = 1_000; i < 1_000 + KEYS; i += 1) await broker.get(keyOf(i), 0);
  const bytesPerKey = (heapBytes() - before) / KEYS;
  const startedAt = process.cpuUsage();
  for (let i = 0; i < MESSAGES; i += 1) listener({ kind: 'token', id: `${i % 1_000}-unknown`, generation: 1 });
  const { user, system } = process.cpuUsage(startedAt);
  await broker.close();
  return { bytesPerKey, messageUs: (user + system) / MESSAGES };
}

function heapBytes() {
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

function keyOf(i) {
  return tokenKey({
    environment: 'production',
    tokenUrl: 'https://api.mobilepay.dk/integrator-authentication/connect/token',
    client: `client-${Math.floor(i / 500)}`,
    credentialGeneration: 1,
    merchantVat: `DK${String(i).padStart(8, '0')}`,
  });
}
