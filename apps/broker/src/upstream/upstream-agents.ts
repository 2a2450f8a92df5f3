import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { rootCertificates } from 'node:tls';

import type { UpstreamConfig } from '../config/broker-config.js';

/** Connections kept open to the upstream, per host. */
const KEEP_ALIVE = { keepAlive: true, maxSockets: 64, scheduling: 'lifo' } as const;

/** How connections to the upstream are made: kept alive, and TLS of 1.2 at least. */
export function upstreamAgents({ ca }: Pick<UpstreamConfig, 'ca'>) {
  return {
    httpAgent: new HttpAgent(KEEP_ALIVE),
    httpsAgent: new HttpsAgent({
      ...KEEP_ALIVE,
      minVersion: 'TLSv1.2',
      ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
    }),
  };
}
