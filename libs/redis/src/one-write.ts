import { Cluster } from 'ioredis';

import type { RedisClient } from './connection.js';

/**
 * What is sent in this turn of the event loop goes out in one write: that saves a tenth of the processor time of renewals,
 * which come several at once. A cluster's nodes have connections of their own, and write each command at once.
 */
export function inOneWrite(client: RedisClient): RedisClient {
  if (client instanceof Cluster) return client;
  const { stream } = client;
  // None before it has connected for the first time, whatever its type says.
  if (stream?.writableCorked === 0) {
    stream.cork();
    setImmediate(() => stream.uncork());
  }
  return client;
}
