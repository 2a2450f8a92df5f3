import { Cluster, Redis, type RedisOptions as AllRedisOptions } from 'ioredis';

import { QuietSentinelConnector } from './sentinel-connector.js';

/** Without the one member whose type does not say that it may be undefined. */
type RedisOptions = Omit<AllRedisOptions, 'replyMapping'>;

/** Where Redis is, and how to sign in. */
export interface RedisConnectionSettings {
  readonly at:
    | { readonly kind: 'single'; readonly host: string; readonly port: number; readonly db: number }
    | { readonly kind: 'sentinel'; readonly sentinels: readonly RedisAddress[]; readonly master: string }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisAddress[] };
  /** ACL user; absent for `default`. */
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Absent: no TLS. `ca`: certificate authorities in PEM to trust besides the known ones. */
  readonly tls: { readonly ca: string[] | undefined } | undefined;
}

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Either kind of client for commands: both take keys and scripts alike. */
export type RedisClient = Redis | Cluster;

/** Limit of one command, in ms. A deadline of our own: ioredis does not arm its `commandTimeout` everywhere. */
export const COMMAND_LIMIT_MS = 400;

const CONNECT_LIMIT_MS = 1_000;
/** Until a connection is given up on which a command is waiting and nothing arrives, in ms. */
const SILENCE_LIMIT_MS = 1_000;
/** Between two attempts to connect. All replicas should be back within the core's hold-off. */
const LONGEST_PAUSE_MS = 250;
const DISCONNECT_LIMIT_MS = 500;

const pause = (times: number): number => Math.min(times * 50, LONGEST_PAUSE_MS);

/** A connection for commands. Nothing is queued while it is away, and nothing is sent twice. */
export function commandConnection(settings: RedisConnectionSettings): RedisClient {
  const options: RedisOptions = {
    ...common(settings),
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    socketTimeout: SILENCE_LIMIT_MS,
    // A master that was made a replica while we were connected: look for the new one.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
    retryStrategy: pause,
  };
  if (settings.at.kind !== 'cluster') return new Redis(options);
  return new Cluster([...settings.at.nodes], {
    redisOptions: options,
    enableOfflineQueue: false,
    clusterRetryStrategy: pause,
    slotsRefreshTimeout: CONNECT_LIMIT_MS,
    slotsRefreshInterval: 5_000,
    maxRedirections: 4,
    retryDelayOnFailover: 100,
    retryDelayOnClusterDown: 100,
    retryDelayOnTryAgain: 50,
  });
}

/** A connection for messages, which does not come back by itself: whoever listens has to know that it was gone.
 *  @param attempt counted from 0; a cluster's nodes take turns */
export function messageConnection(settings: RedisConnectionSettings, attempt: number): Redis {
  const { at } = settings;
  const options: RedisOptions = {
    ...common(settings),
    retryStrategy: null,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
  };
  if (at.kind !== 'cluster') return new Redis(options);
  return new Redis({ ...options, ...at.nodes[attempt % at.nodes.length] });
}

function common({ at, username, password, tls }: RedisConnectionSettings): RedisOptions {
  const tlsOptions = tls && { tls: { minVersion: 'TLSv1.2' as const, ...(tls.ca && { ca: tls.ca }) } };
  return {
    ...address(at),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...tlsOptions,
    ...(at.kind === 'sentinel' && tls && { sentinelTLS: tlsOptions?.tls ?? {}, enableTLSForSentinelMode: true }),
    connectTimeout: CONNECT_LIMIT_MS,
    connectionName: 'token-broker',
    disconnectTimeout: DISCONNECT_LIMIT_MS,
    enableAutoPipelining: false,
  };
}

function address(at: RedisConnectionSettings['at']): RedisOptions {
  switch (at.kind) {
    case 'single':
      return { host: at.host, port: at.port, db: at.db };
    case 'sentinel':
      return {
        sentinels: [...at.sentinels],
        name: at.master,
        Connector: QuietSentinelConnector,
        failoverDetector: true,
        // A sentinel that hangs, as one beside a hung master does, would be waited for without end.
        sentinelCommandTimeout: COMMAND_LIMIT_MS,
        sentinelRetryStrategy: pause,
      };
    case 'cluster':
      return {};
    default:
      return at satisfies never;
  }
}
