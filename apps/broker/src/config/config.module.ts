import { Global, Module } from '@nestjs/common';
import { ConfigModule as NestConfigModule, registerAs } from '@nestjs/config';

import { BrokerConfig } from './broker-config.js';
import { readConfig } from './read-config.js';

// Nest has put `.env` into the environment by the time this runs; a variable that is set wins.
const broker = registerAs('broker', () => readConfig(process.env));

@Global()
@Module({
  imports: [NestConfigModule.forRoot({ load: [broker], cache: true })],
  providers: [{ provide: BrokerConfig, inject: [broker.KEY], useFactory: (config: BrokerConfig) => config }],
  exports: [BrokerConfig],
})
export class ConfigModule {}
