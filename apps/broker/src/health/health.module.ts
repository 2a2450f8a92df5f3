import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';

import { Drain } from '../http/drain.js';
import { HealthController } from './health.controller.js';

@Module({
  // Terminus logs each unhealthy answer as an error; draining is none.
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [HealthController],
  providers: [Drain],
})
export class HealthModule {}
