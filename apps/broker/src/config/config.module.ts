import { Global, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule, registerAs } from '@nestjs/config';

import { BrokerConfig } from './broker-config.js';
import { readConfig } from './read-config.js';
import { SECRET_SETTINGS } from './secrets.js';

let config: BrokerConfig | undefined;

/** The settings, read once. Nest has put `.env` into the environment by now; a variable that is set wins. The secrets are
 *  taken out of it: nobody else needs them there.
 *  @throws ConfigError */
export function loadConfig(): BrokerConfig {
  if (config) return config;
  config = readConfig(process.env);
  for (const name of SECRET_SETTINGS) delete process.env[name];
  return config;
}

const broker = registerAs('broker', loadConfig);

@Global()
@Module({
  imports: [NestConfigModule.forRoot({ load: [broker], cache: true })],
  providers: [{ provide: BrokerConfig, inject: [broker.KEY], useFactory: (loaded: BrokerConfig) => loaded }],
  exports: [BrokerConfig],
})
export class ConfigModule {}
