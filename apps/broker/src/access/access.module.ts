import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';

import { VaultModule } from '../vault/vault.module.js';
import { CallerGuard } from './caller.guard.js';
import { Callers } from './callers.js';
import { CallersController } from './callers.controller.js';

@Module({
  imports: [VaultModule],
  controllers: [CallersController],
  providers: [Callers, { provide: APP_GUARD, useClass: CallerGuard }],
})
export class AccessModule {}
