import { Global, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule, registerAs } from '@nestjs/config';

import { BrokerConfig } from './broker-config.js';
import { GivenSettings } from './given-settings.js';
import { readConfig } from './read-config.js';
import { SECRET_SETTINGS } from './secrets.js';
import { SettingsReload } from './settings-reload.js';

// Before Nest puts the file into the environment: later nobody could tell what came from where.
const given = new GivenSettings(process.env);
let config: BrokerConfig | undefined;

/** The settings, read once. Nest has put the settings file into the environment by now, for whoever else reads it. The
 *  secrets are taken out of there: nobody else needs them.
 *  @throws ConfigError */
export function loadConfig(): BrokerConfig {
  if (config) return config;
  config = readConfig(given.read());
  for (const name of SECRET_SETTINGS) delete process.env[name];
  return config;
}

const broker = registerAs('broker', loadConfig);

@Global()
@Module({
  imports: [NestConfigModule.forRoot({ envFilePath: given.path, load: [broker], cache: true })],
  providers: [
    { provide: BrokerConfig, inject: [broker.KEY], useFactory: (loaded: BrokerConfig) => loaded },
    {
      provide: SettingsReload,
      inject: [BrokerConfig],
      useFactory: (loaded: BrokerConfig) => new SettingsReload(given, loaded),
    },
  ],
  exports: [BrokerConfig, SettingsReload],
})
export class ConfigModule {}
