import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';

import { BrokerConfig } from '../config/broker-config.js';
import { Needs, Open } from '../http/caller.js';
import { Metrics } from './metrics.js';

@Controller('metrics')
@Needs('ops')
export class MetricsController {
  constructor(
    private readonly metrics: Metrics,
    config: BrokerConfig,
  ) {
    // Said to the guard in the same words as by a route that is always open, and before it is first asked.
    if (config.metrics.open) Open()(MetricsController);
  }

  /** Metrics of this replica, in Prometheus' text format. Open to everybody where `METRICS_OPEN` says so. */
  @Get()
  async read(@Res() reply: FastifyReply) {
    const { registry } = this.metrics;
    await reply.type(registry.contentType).send(await registry.metrics());
  }
}
