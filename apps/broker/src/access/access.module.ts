import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';

import { VaultModule } from '../vault/vault.module.js';
import { CallerGuard } from './caller.guard.js';
import { Callers } from './callers.js';
import { CallersController } from './callers.controller.js';
import { CertificateCallers } from './certificate-callers.js';
import { JwtCallers } from './jwt-callers.js';
import { RateLimits } from './rate-limits.js';
import { Sessions } from './sessions.js';

@Module({
  imports: [VaultModule],
  controllers: [CallersController],
  providers: [
    Callers,
    CertificateCallers,
    JwtCallers,
    RateLimits,
    Sessions,
    CallerGuard,
    { provide: APP_GUARD, useExisting: CallerGuard },
  ],
  exports: [CallerGuard, Callers, RateLimits, Sessions],
})
export class AccessModule {}
