import { Redis, SentinelConnector, type SentinelConnectionOptions } from 'ioredis';

/**
 * ioredis' own, but for this: its connections that watch for failovers have nobody who listens to their errors, so
 * ioredis 6.0.0 prints each of them beside the log, whenever a sentinel is down or slow. Which they are allowed to be.
 */
export class QuietSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    // What `Connector` is given by ioredis: all of its options.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    super(options as SentinelConnectionOptions);
    const connect: unknown = Reflect.get(this, 'connectToSentinel');
    if (typeof connect !== 'function') return;
    Reflect.set(this, 'connectToSentinel', (...args: unknown[]): unknown => {
      const client: unknown = Reflect.apply(connect, this, args);
      if (client instanceof Redis) client.on('error', () => {});
      return client;
    });
  }
}
