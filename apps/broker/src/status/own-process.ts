import { Inject, Injectable, Optional } from '@nestjs/common';

import { Vault } from '#vault';

import { AuditLog } from '../audit/audit-log.js';
import { systemClock } from '../config/system-clock.js';
import { Drain } from '../http/drain.js';
import { SharedRedis } from '../redis/shared-redis.js';
import { ServedTokens } from '../token/served-tokens.js';

/** How this process is, in what others should know of it. */
@Injectable()
export class OwnProcess {
  readonly #startedAtMs = systemClock.now();
  #served = 0;
  #audit = { lost: 0, atMs: 0 };

  constructor(
    private readonly drain: Drain,
    private readonly vault: Vault,
    private readonly auditLog: AuditLog,
    private readonly tokens: ServedTokens,
    @Optional() @Inject(SharedRedis) private readonly shared: SharedRedis | undefined,
  ) {}

  /** Tokens given since this was last asked. */
  takeServed(): number {
    const before = this.#served;
    this.#served = this.tokens.total;
    return this.#served - before;
  }

  get state() {
    const now = systemClock.now();
    const { lost } = this.auditLog;
    if (lost > this.#audit.lost) this.#audit = { lost, atMs: now };
    return {
      uptimeMs: now - this.#startedAtMs,
      isDraining: this.drain.draining,
      redisUp: this.shared ? this.shared.link.outages.length === 0 : null,
      audit: { lost, agoMs: now - this.#audit.atMs },
      locked: this.vault.locked.size,
      newer: this.vault.newer.size,
    };
  }
}
