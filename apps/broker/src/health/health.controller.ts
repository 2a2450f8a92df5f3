import { Controller, Get, Header, Inject, Optional } from '@nestjs/common';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';

import { Open } from '../http/caller.js';
import { Drain } from '../http/drain.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { systemClock } from '../config/system-clock.js';

@Controller('health')
@Open()
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly drain: Drain,
    @Optional() @Inject(SharedRedis) private readonly shared: SharedRedis | undefined,
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
      () => this.indicators.check('tokens').up(this.#tokens()),
    ]);
  }

  /** Where tokens are shared. Without Redis for a while this replica works on, but the promise of one call is weaker. */
  #tokens(): Record<string, string | number | boolean> {
    if (!this.shared) return { store: 'memory' };
    const [outage] = this.shared.link.outages;
    if (!outage) return { store: 'redis', degraded: false };
    const seconds = Math.floor((systemClock.now() - outage.sinceMs) / 1_000);
    return { store: 'redis', degraded: true, reason: outage.reason, for_seconds: seconds };
  }
}
