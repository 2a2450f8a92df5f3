import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';

import { Bus, RedisKeys, RedisLink } from '#redis';
import type { Clock } from '#token';

import type { RedisConfig } from '../config/broker-config.js';

/** How long a start waits for Redis before it goes on without, in ms. */
const FIRST_CONNECT_MS = 1_000;

/** What all replicas share: the way to Redis, and the channel on which they tell each other what changed. */
@Injectable()
export class SharedRedis implements OnApplicationShutdown {
  private constructor(
    readonly link: RedisLink,
    readonly bus: Bus,
  ) {}

  static async connect({ connection: settings, keyPrefix }: RedisConfig, clock: Clock): Promise<SharedRedis> {
    const log = new Logger('redis');
    const keys = new RedisKeys(keyPrefix);
    const link = new RedisLink({
      settings,
      keys,
      clock,
      random: Math.random,
      onEvent: (event) =>
        event.kind === 'away'
          ? log.error({ event: 'redis_away', reason: event.reason })
          : log.log({ event: 'redis_back', away_ms: Math.round(event.awayMs) }),
    });
    const bus = new Bus(settings, keys.news, clock);
    await Promise.all([link.ready(FIRST_CONNECT_MS), bus.ready(FIRST_CONNECT_MS)]);
    return new SharedRedis(link, bus);
  }

  /** After everything that may still have to say something to Redis. */
  async onApplicationShutdown(): Promise<void> {
    this.bus.close();
    await this.link.close();
  }
}
