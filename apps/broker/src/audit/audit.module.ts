import { Global, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';

import { BrokerConfig } from '../config/broker-config.js';
import { AuditFile } from './audit-file.js';
import { AuditLog } from './audit-log.js';
import { AuditStdout } from './audit-stdout.js';
import { Refusals } from './refusals.js';

@Global()
@Module({
  providers: [
    {
      provide: AuditLog,
      inject: [BrokerConfig],
      useFactory: ({ auditLog }: BrokerConfig) =>
        new AuditLog(auditLog === 'stdout' ? new AuditStdout() : new AuditFile(auditLog), auditLog),
    },
    { provide: Refusals, inject: [AuditLog], useFactory: (log: AuditLog) => new Refusals(log) },
  ],
  exports: [AuditLog, Refusals],
})
export class AuditModule implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly log: AuditLog,
    private readonly refusals: Refusals,
  ) {}

  /** When the settings and the vault have been read: a start that they stop leaves no trace. */
  onModuleInit(): void {
    this.log.start();
  }

  /** After the last request has been answered. */
  onApplicationShutdown(): void {
    this.refusals.flush();
    this.log.stop();
  }
}
