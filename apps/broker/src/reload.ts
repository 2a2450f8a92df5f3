import type { NestFastifyApplication } from '@nestjs/platform-fastify';

import { JwtCallers } from './access/jwt-callers.js';
import { RateLimits } from './access/rate-limits.js';
import { AuditLog } from './audit/audit-log.js';
import { BrokerConfig } from './config/broker-config.js';
import { RATES, SERVER_LIMITS } from './config/reloadable.js';
import { type ReloadablePart, SettingsReload } from './config/settings-reload.js';
import type { Front } from './http/front.js';
import { limitServer } from './http/server-limits.js';
import type { PinoLogger } from './log/pino-logger.js';
import { MasterKeys } from './vault/master-keys.js';

/** From now on, settings that change are taken over where that is safe: by whom is said here. */
export function followSettings(app: NestFastifyApplication, front: Front, log: PinoLogger): void {
  const [keys, jwts, rates, audit] = [app.get(MasterKeys), app.get(JwtCallers), app.get(RateLimits), app.get(AuditLog)];
  const { policy } = app.get(BrokerConfig);
  const parts: ReloadablePart[] = [
    // First, since a ring may be refused.
    { settings: ['VAULT_KEYS'], take: ({ vaultKeys }) => keys.change(vaultKeys) },
    { settings: ['CALLER_JWT_ISSUERS_FILE'], take: ({ jwtIssuers }) => jwts.adopt(jwtIssuers) },
    { settings: RATES, take: ({ limits }) => rates.adopt(limits) },
    {
      settings: SERVER_LIMITS,
      take: ({ limits }) => {
        limitServer(app.getHttpServer(), { limits, policy });
        front.keepAliveMs = limits.keepAliveMs;
      },
    },
    {
      settings: ['LOG_LEVEL'],
      take: ({ logLevel }) => {
        log.level = logLevel;
      },
    },
  ];
  app.get(SettingsReload).begin(parts, (reloaded) => audit.write('settings.reloaded', { ...reloaded }));
}
