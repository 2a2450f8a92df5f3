import type { Locator, Page } from 'playwright-core';

import { RedisTokenStore, Bus } from '#redis';
import { tokenKey } from '#token';
import { KeyRing, Sealer } from '#vault';

import { systemClock } from '../../apps/broker/src/config/system-clock.js';
import type { RunningBroker } from './broker.js';
import { aPage } from './chromium.js';
import { RunningRedis } from './redis.js';
import { aLink, settingsFor } from './redis-link.js';
import { Replicas } from './replicas.js';
import { RunningSandbox } from './sandbox.js';
import { issued } from './tokens.js';

/** Three replicas, their Redis and a sandbox, for a dashboard to show. */
export interface Watched {
  readonly replicas: Replicas;
  readonly redis: RunningRedis;
  readonly sandbox: RunningSandbox;
  /** A key of a caller with the role ops alone. */
  readonly opsKey: string;
}

const VAULT_KEYS = KeyRing.generate('dashboard');

/** So few that sealing them keeps no answer of Redis waiting for as long as the link allows, on a busy machine either. */
const SEEDED_AT_ONCE = 20;

export async function watchedReplicas(env: Record<string, string> = {}): Promise<Watched> {
  const [redis, sandbox] = await Promise.all([
    RunningRedis.start(),
    RunningSandbox.start({ SANDBOX_LATENCY_MS: '20' }),
  ]);
  const settings = { REDIS_URL: redis.url, VAULT_STORE: 'redis', VAULT_KEYS, UPSTREAM_RETRIES: '0', ...env };
  const replicas = await Replicas.start(3, sandbox, settings, 12);
  const opsKey = await replicas.brokers[0]!.addCaller('night-shift', ['ops']);
  return { replicas, redis, sandbox, opsKey };
}

/** Opens the dashboard of one replica and signs in. */
export async function signedIn(
  broker: Pick<RunningBroker, 'url' | 'adminKey'>,
  key = broker.adminKey,
  page?: Page,
): Promise<Page> {
  const shown = page ?? (await aPage({ viewport: { width: 1440, height: 1000 } }));
  await shown.goto(`${broker.url}/dashboard`);
  await signIn(shown, key);
  await expectShown(shown.getByRole('heading', { name: 'Clients and merchants' }), 15_000);
  return shown;
}

export async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel('Ops key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Puts tokens into Redis as if stores had asked for them: `count` merchants of a client. */
export async function seedMerchants({ redis, sandbox }: Watched, client: string, count: number): Promise<void> {
  const link = await aLink(redis.port, { prefix: 'tb:' });
  const bus = new Bus(settingsFor(redis.port), link.keys.news, systemClock);
  const store = new RedisTokenStore(link, bus, new Sealer(KeyRing.parse(VAULT_KEYS)), systemClock);
  const asOfMs = await store.now();
  const seedOne = (n: number) => {
    const key = tokenKey({
      environment: 'sandbox',
      tokenUrl: `${sandbox.url}/integrator-authentication/connect/token`,
      client,
      credentialGeneration: 1,
      merchantVat: merchantOf(n),
    });
    const remainingMs = 3_700_000 - (n % 3_000) * 1_000;
    return store.seed(key, { ...issued(`seeded-${n}`), generation: n + 1, remainingMs }, asOfMs);
  };
  for (let n = 0; n < count; n += SEEDED_AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(SEEDED_AT_ONCE, count - n) }, (_, i) => seedOne(n + i)));
  }
  bus.close();
}

/** The n-th merchant that `seedMerchants` makes. */
export function merchantOf(n: number): string {
  return `DK${10_000_000 + n}`;
}

/** It appears within the limit, in ms. */
export async function expectShown(what: Locator, limitMs = 5_000): Promise<void> {
  await what.first().waitFor({ timeout: limitMs });
}

/** It is not there any more, within the limit, in ms. */
export async function expectGone(what: Locator, limitMs = 5_000): Promise<void> {
  await what.first().waitFor({ state: 'detached', timeout: limitMs });
}
