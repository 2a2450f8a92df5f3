import type { Server } from 'node:http';

import type { BrokerConfig } from '../config/broker-config.js';

/** Limits a server, running or not: by and by all of it counts for its open connections as well. The time for a TLS
 *  handshake is no part of it: that is set once. */
export function limitServer(server: Server, { limits, policy }: Pick<BrokerConfig, 'limits' | 'policy'>): void {
  server.maxConnections = limits.connections;
  server.headersTimeout = limits.headersTimeoutMs;
  server.requestTimeout = limits.requestTimeoutMs;
  server.keepAliveTimeout = limits.keepAliveMs;
  // On which nothing moved for that long, such as one whose client does not read: longer than any answer takes.
  server.timeout = limits.requestTimeoutMs + policy.waitBudgetMs + policy.longestHoldMs;
}
