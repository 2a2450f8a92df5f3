import { Injectable } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';

import { AuditLog } from '../audit/audit-log.js';
import { Refusals } from '../audit/refusals.js';
import { REFUSALS } from '../http/problem.js';
import { keptCounter } from './kept-counter.js';

/** Who was refused, and what was written down. */
@Injectable()
export class AccessMetrics {
  constructor(registry: Registry, refusals: Refusals, audit: AuditLog) {
    const refused: Counter<'code'> = new Counter({
      name: 'token_broker_callers_refused_total',
      help: 'Requests that were refused for who sent them, by the code of the answer.',
      labelNames: ['code'],
      registers: [registry],
      collect: () => {
        refused.reset();
        for (const code of REFUSALS) refused.inc({ code }, refusals.counts.get(code) ?? 0);
      },
    });
    keptCounter(registry, 'token_broker_audit_lines_total', 'Lines written to the audit trail.', () => audit.written);
    keptCounter(
      registry,
      'token_broker_audit_lines_lost_total',
      'Lines of the audit trail that could not be written.',
      () => audit.lost,
    );
  }
}
