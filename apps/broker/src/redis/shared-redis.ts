import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

import { Bus, type RedisLink } from '#redis';
import type { Clock } from '#token';

import type { RedisConfig } from '../config/broker-config.js';
import { openLink, FIRST_CONNECT_MS } from './redis-link.js';

/** What all replicas share: the way to Redis, and the channel on which they tell each other what changed. */
@Injectable()
export class SharedRedis implements OnApplicationShutdown {
  private constructor(
    readonly link: RedisLink,
    readonly bus: Bus,
  ) {}

  static async connect(config: RedisConfig, clock: Clock): Promise<SharedRedis> {
    const link = openLink(config, 'tokens', clock);
    const bus = new Bus(config.connection, link.keys.news, clock);
    await Promise.all([link.ready(FIRST_CONNECT_MS), bus.ready(FIRST_CONNECT_MS)]);
    return new SharedRedis(link, bus);
  }

  /** After everything that may still have to say something to Redis. */
  async onApplicationShutdown(): Promise<void> {
    this.bus.close();
    await this.link.close();
  }
}
