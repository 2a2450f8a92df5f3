import { Controller, Get, Header } from '@nestjs/common';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';

import { Open } from '../http/caller.js';
import { Drain } from '../http/drain.js';

@Controller('health')
@Open()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly drain: Drain,
  ) {}

  /** The process runs. Depends on nothing outside. */
  @Get('live')
  @Header('Cache-Control', 'no-store')
  live() {
    return { status: 'ok' };
  }

  /** May take traffic: the settings were read and the vault opened, or nothing would listen; and it is not draining. */
  @Get('ready')
  @Header('Cache-Control', 'no-store')
  ready() {
    return this.health.check([
      () => {
        const traffic = this.indicators.check('traffic');
        return this.drain.draining ? traffic.down('draining') : traffic.up();
      },
    ]);
  }
}
