import { Inject, Injectable, Optional } from '@nestjs/common';

import { systemClock } from '../config/system-clock.js';
import { SharedRedis } from '../redis/shared-redis.js';
import type { HealthPart, PartFacts } from './health-part.js';

/** Where tokens are shared. Without Redis for a while this replica works on, but the promise of one call is weaker. */
@Injectable()
export class TokensPart implements HealthPart {
  readonly name = 'tokens';

  constructor(@Optional() @Inject(SharedRedis) private readonly shared: SharedRedis | undefined) {}

  look(): PartFacts {
    if (!this.shared) return { store: 'memory' };
    const [outage] = this.shared.link.outages;
    if (!outage) return { store: 'redis' };
    const seconds = Math.floor((systemClock.now() - outage.sinceMs) / 1_000);
    return { store: 'redis', reason: outage.reason, for_seconds: seconds };
  }
}
