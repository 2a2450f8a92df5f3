import { Module } from '@nestjs/common';
import { HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import { Registry } from 'prom-client';

import { systemClock } from '../config/system-clock.js';
import { DrainModule } from '../http/drain.module.js';
import { RedisModule } from '../redis/redis.module.js';
import { TokenModule } from '../token/token.module.js';
import { UpstreamModule } from '../upstream/upstream.module.js';
import { VaultModule } from '../vault/vault.module.js';
import { AccessMetrics } from './access-metrics.js';
import { AuditPart } from './audit-part.js';
import { HealthController } from './health.controller.js';
import { HealthLooks } from './health-looks.js';
import type { HealthPart } from './health-part.js';
import { KeyMetrics } from './key-metrics.js';
import { Metrics } from './metrics.js';
import { MetricsController } from './metrics.controller.js';
import { RedisMetrics } from './redis-metrics.js';
import { RefreshMetrics } from './refresh-metrics.js';
import { RejectedClients } from './rejected-clients.js';
import { ServedMetrics } from './served-metrics.js';
import { SettingsMetrics } from './settings-metrics.js';
import { TokensPart } from './tokens-part.js';
import { UpstreamMetrics } from './upstream-metrics.js';
import { UpstreamPart } from './upstream-part.js';
import { VaultMetrics } from './vault-metrics.js';
import { VaultPart } from './vault-part.js';

@Module({
  imports: [
    // Terminus logs each unhealthy answer as an error; draining is none.
    TerminusModule.forRoot({ logger: false }),
    DrainModule,
    RedisModule,
    TokenModule,
    UpstreamModule,
    VaultModule,
  ],
  controllers: [HealthController, MetricsController],
  providers: [
    AuditPart,
    TokensPart,
    UpstreamPart,
    VaultPart,
    {
      provide: HealthLooks,
      inject: [HealthIndicatorService, TokensPart, VaultPart, UpstreamPart, AuditPart],
      useFactory: (indicators: HealthIndicatorService, ...parts: HealthPart[]) =>
        new HealthLooks(parts, indicators, systemClock),
    },
    { provide: Registry, useFactory: () => new Registry() },
    AccessMetrics,
    KeyMetrics,
    Metrics,
    RedisMetrics,
    RefreshMetrics,
    RejectedClients,
    ServedMetrics,
    SettingsMetrics,
    UpstreamMetrics,
    VaultMetrics,
  ],
  exports: [Metrics],
})
export class HealthModule {}
