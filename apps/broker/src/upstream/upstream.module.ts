import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';

import { BrokerConfig } from '../config/broker-config.js';
import { Grants } from './grants.js';
import { UpstreamCalls } from './upstream-calls.js';
import { upstreamAgents } from './upstream-agents.js';

@Module({
  imports: [
    HttpModule.registerAsync({
      inject: [BrokerConfig],
      useFactory: ({ upstream }: BrokerConfig) => upstreamAgents(upstream),
    }),
  ],
  providers: [Grants, UpstreamCalls],
  exports: [Grants, UpstreamCalls],
})
export class UpstreamModule {}
