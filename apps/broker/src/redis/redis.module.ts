import { Module } from '@nestjs/common';

import { BrokerConfig } from '../config/broker-config.js';
import { systemClock } from '../config/system-clock.js';
import { SharedRedis } from './shared-redis.js';

/** Absent where there is no Redis, and so one replica: inject it as optional. */
@Module({
  providers: [
    {
      provide: SharedRedis,
      inject: [BrokerConfig],
      useFactory: ({ redis }: BrokerConfig) => redis && SharedRedis.connect(redis, systemClock),
    },
  ],
  exports: [SharedRedis],
})
export class RedisModule {}
