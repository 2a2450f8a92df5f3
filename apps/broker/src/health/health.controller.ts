import { Controller, Get, Header, ServiceUnavailableException } from '@nestjs/common';
import { type HealthCheckResult, HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';

import { Needs, Open } from '../http/caller.js';
import { Drain } from '../http/drain.js';
import { HealthLooks } from './health-looks.js';

@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly looks: HealthLooks,
    private readonly drain: Drain,
  ) {}

  /** The process runs. Depends on nothing outside. */
  @Get('live')
  @Open()
  @Header('Cache-Control', 'no-store')
  live(): HealthCheckResult {
    return { status: 'ok', info: {}, error: {}, details: {} };
  }

  /** May take traffic: the settings were read and the vault opened, or nothing would listen; and it is not draining. */
  @Get('ready')
  @Open()
  @Header('Cache-Control', 'no-store')
  ready(): Promise<HealthCheckResult> {
    return this.#answer(['tokens']);
  }

  /** Each part, for operators. */
  @Get()
  @Needs('ops')
  @Header('Cache-Control', 'no-store')
  parts(): Promise<HealthCheckResult> {
    return this.#answer();
  }

  /** Of what was seen last, but for `traffic`, which is told as it is now, and alone takes this replica out of service:
   *  every other trouble is one that a restart or another replica would have as well.
   *  @throws ServiceUnavailableException */
  async #answer(names?: readonly string[]): Promise<HealthCheckResult> {
    try {
      return await this.health.check([() => this.#traffic(), ...this.looks.of(names).map((seen) => () => seen)]);
    } catch (error) {
      if (this.drain.draining || !(error instanceof ServiceUnavailableException)) throw error;
      // Terminus made it; the type of what it carries is lost on the way.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return { ...(error.getResponse() as HealthCheckResult), status: 'degraded' };
    }
  }

  #traffic() {
    const traffic = this.indicators.check('traffic');
    return this.drain.draining ? traffic.down('draining') : traffic.up();
  }
}
