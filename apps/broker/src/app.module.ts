import { Module } from '@nestjs/common';

import { AccessModule } from './access/access.module.js';
import { AuditModule } from './audit/audit.module.js';
import { ConfigModule } from './config/config.module.js';
import { DashboardModule } from './dashboard/dashboard.module.js';
import { DocsModule } from './docs/docs.module.js';
import { HealthModule } from './health/health.module.js';
import { RedisModule } from './redis/redis.module.js';
import { StatusModule } from './status/status.module.js';
import { TokenModule } from './token/token.module.js';
import { VaultModule } from './vault/vault.module.js';

@Module({
  imports: [
    ConfigModule,
    AuditModule,
    RedisModule,
    VaultModule,
    AccessModule,
    TokenModule,
    HealthModule,
    StatusModule,
    DashboardModule,
    DocsModule,
  ],
})
export class AppModule {}
