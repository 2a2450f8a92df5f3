import { RedisKeys, RedisLink, type RedisConnectionSettings } from '#redis';

import { systemClock } from '../../apps/broker/src/config/system-clock.js';

const links = new Set<RedisLink>();

/** How to reach a Redis of the tests. */
export function settingsFor(port: number): RedisConnectionSettings {
  return {
    at: { kind: 'single', host: '127.0.0.1', port, db: 0 },
    username: undefined,
    password: undefined,
    tls: undefined,
  };
}

/** A link to a Redis of the tests, ready or as far as it gets. Ends with the test file. */
export async function aLink(
  port: number,
  { prefix = 'test:', ...more }: { prefix?: string } & Partial<RedisConnectionSettings> = {},
): Promise<RedisLink> {
  const settings = { ...settingsFor(port), ...more };
  const keys = new RedisKeys(prefix);
  const link = new RedisLink({ settings, keys, clock: systemClock, random: Math.random, onEvent: () => {} });
  links.add(link);
  await link.ready(2_000);
  return link;
}

afterAll(async () => {
  await Promise.all([...links].map((link) => link.close()));
});
