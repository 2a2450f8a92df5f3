import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';

import { DrainModule } from '../http/drain.module.js';
import { RedisModule } from '../redis/redis.module.js';
import { TokenModule } from '../token/token.module.js';
import { VaultModule } from '../vault/vault.module.js';
import { HealthController } from './health.controller.js';
import { Metrics } from './metrics.js';
import { MetricsController } from './metrics.controller.js';

@Module({
  // Terminus logs each unhealthy answer as an error; draining is none.
  imports: [TerminusModule.forRoot({ logger: false }), DrainModule, RedisModule, TokenModule, VaultModule],
  controllers: [HealthController, MetricsController],
  providers: [Metrics],
})
export class HealthModule {}
