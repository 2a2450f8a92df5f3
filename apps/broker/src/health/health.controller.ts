import { Controller, Get, Header, Inject, Optional } from '@nestjs/common';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';

import type { RedisLink } from '#redis';
import { Vault } from '#vault';

import { Needs, Open } from '../http/caller.js';
import { Drain } from '../http/drain.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { systemClock } from '../config/system-clock.js';
import { VAULT_LINK } from '../vault/vault.module.js';

@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly drain: Drain,
    private readonly vault: Vault,
    @Optional() @Inject(VAULT_LINK) private readonly vaultLink: RedisLink | undefined,
    @Optional() @Inject(SharedRedis) private readonly shared: SharedRedis | undefined,
  ) {}

  /** The process runs. Depends on nothing outside. */
  @Get('live')
  @Open()
  @Header('Cache-Control', 'no-store')
  live() {
    return { status: 'ok' };
  }

  /** May take traffic: the settings were read and the vault opened, or nothing would listen; and it is not draining. */
  @Get('ready')
  @Open()
  @Header('Cache-Control', 'no-store')
  ready() {
    return this.health.check([() => this.#traffic(), () => this.indicators.check('tokens').up(this.#tokens())]);
  }

  /** Each part, for operators. Of the vault: how much it holds, and what of it cannot be opened. */
  @Get()
  @Needs('ops')
  @Header('Cache-Control', 'no-store')
  parts() {
    return this.health.check([
      () => this.#traffic(),
      () => this.indicators.check('tokens').up(this.#tokens()),
      () => this.indicators.check('vault').up(this.#vault()),
    ]);
  }

  /** What is in memory is served, whatever becomes of the store. */
  #vault() {
    const { clients, callers, locked, outdated } = this.vault;
    const [outage] = this.vaultLink?.outages ?? [];
    return {
      degraded: locked.size > 0 || outage !== undefined,
      ...(outage && { reason: outage.reason }),
      clients: clients.length,
      callers: callers.length,
      locked: locked.size,
      outdated,
    };
  }

  #traffic() {
    const traffic = this.indicators.check('traffic');
    return this.drain.draining ? traffic.down('draining') : traffic.up();
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
