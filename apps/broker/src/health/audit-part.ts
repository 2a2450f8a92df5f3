import { Injectable } from '@nestjs/common';

import { AuditLog } from '../audit/audit-log.js';
import type { HealthPart, PartFacts } from './health-part.js';

/** Whether the audit trail is written. */
@Injectable()
export class AuditPart implements HealthPart {
  readonly name = 'audit';

  constructor(private readonly log: AuditLog) {}

  look(): PartFacts {
    const { written, lost, failing } = this.log;
    return { ...(failing && { reason: 'lines cannot be written' }), lines: written, lost };
  }
}
