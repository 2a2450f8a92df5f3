import { Injectable } from '@nestjs/common';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

import { VERSION } from '../config/version.js';
import { Drain } from '../http/drain.js';

/** Node's totals of what its other gauges tell by type. They are no counters, and yet end in `_total`. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** What Prometheus reads, told by this class and its neighbours `*-metrics.ts`: in docs/metrics.md, with every label. No
 *  label holds a VAT number, a token or free text. Whoever reads sets off no I/O but what Node tells of itself. */
@Injectable()
export class Metrics {
  /** How many replicas are seen alive; set by whoever knows. Until then, and as long as that is undefined, nothing is said
   *  of it. */
  replicasSeen: () => number | undefined = () => undefined;

  constructor(
    readonly registry: Registry,
    drain: Drain,
  ) {
    const registers = [registry];
    const ready: Gauge = new Gauge({
      name: 'token_broker_ready',
      help: 'If this replica takes traffic: 1, or 0 while it is draining.',
      registers,
      collect: () => ready.set(drain.draining ? 0 : 1),
    });
    const replicas: Gauge = new Gauge({
      name: 'token_broker_replicas',
      help: 'Replicas that this one sees alive, itself among them.',
      registers,
      collect: () => {
        const seen = this.replicasSeen();
        if (seen === undefined) replicas.remove();
        else replicas.set(seen);
      },
    });
    const labelNames = ['version', 'node'] as const;
    const help = 'Always 1: which version of the broker runs, and on which of Node.';
    new Gauge({ name: 'token_broker_build_info', help, labelNames, registers }).set(
      { version: VERSION, node: process.versions.node },
      1,
    );
    collectDefaultMetrics({ register: registry });
    for (const name of MISNAMED) registry.removeSingleMetric(name);
  }
}
