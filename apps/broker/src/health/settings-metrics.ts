import { Injectable } from '@nestjs/common';
import { Gauge, Registry } from 'prom-client';

import { SettingsReload } from '../config/settings-reload.js';

/** Whether the settings in use are those that are set now. */
@Injectable()
export class SettingsMetrics {
  constructor(registry: Registry, reload: SettingsReload) {
    const failed: Gauge = new Gauge({
      name: 'token_broker_settings_reload_failed',
      help: 'If what is set now cannot be used, so that what was set before still is: 1, else 0.',
      registers: [registry],
      collect: () => failed.set(reload.failing ? 1 : 0),
    });
    const loaded: Gauge = new Gauge({
      name: 'token_broker_settings_loaded_timestamp_seconds',
      help: 'When the settings were last read and found good, in seconds since 1970.',
      registers: [registry],
      collect: () => loaded.set(reload.loadedAtMs / 1_000),
    });
  }
}
