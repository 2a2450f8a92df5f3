import { Logger } from '@nestjs/common';

import { RedisKeys, RedisLink } from '#redis';
import type { Clock } from '#token';

import type { RedisConfig } from '../config/broker-config.js';

/** How long a start waits for Redis before it goes on without, in ms. */
export const FIRST_CONNECT_MS = 1_000;

/** The way to a Redis, not connected yet. What becomes of it is logged.
 *  @param holds what it is there for */
export function openLink(
  { connection: settings, keyPrefix }: RedisConfig,
  holds: 'tokens' | 'vault',
  clock: Clock,
): RedisLink {
  const log = new Logger('redis');
  return new RedisLink({
    settings,
    keys: new RedisKeys(keyPrefix),
    clock,
    random: Math.random,
    onEvent: (event) =>
      event.kind === 'away'
        ? log.error({ event: 'redis_away', reason: event.reason, holds })
        : log.log({ event: 'redis_back', away_ms: Math.round(event.awayMs), holds }),
  });
}
