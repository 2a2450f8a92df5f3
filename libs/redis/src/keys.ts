import type { TokenKey } from '#token';

/**
 * Every key and channel that the broker uses in Redis. What stands in braces decides the slot of a cluster: all keys of
 * one script share it. Times to live are set by the scripts, which know what they write:
 *
 * | Key                        | Holds                                                     | Lives                          |
 * | -------------------------- | --------------------------------------------------------- | ------------------------------ |
 * | `{k:ID}`                   | hash: sealed token, lease, failure, invalidation          | as long as any of it, and 60 s |
 * | `{u:URL}:held:ID`          | hash: failure of a client or of a credential generation   | twice its longest cooling time |
 * | `{u:URL}:calls:CLIENT`     | sorted set: who calls, by until when that is believed     | as long as the longest lease   |
 * | `{u:URL}:breaker`          | hash: transport failures in a row, open until, the probe  | twice its longest time open    |
 * | `{labels}`, `{labels}:until` | sorted sets: labels of all keys, to page through        | entries go as their keys do    |
 * | `{…}:probe`                | whether a shard takes writes                              | 1 s                            |
 * | `{cluster}:replicas`       | hash: replicas as they last reported themselves           | 1 min; each of them ≥ 5 s      |
 * | `{cluster}:minutes`        | hash: tokens served, calls and errors of each minute      | 2 h                            |
 * | `{cluster}:events`         | stream: the newest 1,000 events or so                     | 1 day                          |
 * | `{vault}`                  | hash: sealed records of the vault                         | for ever                       |
 */
export class RedisKeys {
  constructor(readonly prefix: string) {}

  /** The channel of all news. */
  get news(): string {
    return `${this.prefix}news`;
  }

  get labels(): readonly [labels: string, until: string] {
    return [`${this.prefix}{labels}`, `${this.prefix}{labels}:until`];
  }

  get vault(): string {
    return `${this.prefix}{vault}`;
  }

  /** What replicas report: themselves, what each minute came to, what happened. */
  get cluster(): readonly [replicas: string, minutes: string, events: string] {
    return [`${this.prefix}{cluster}:replicas`, `${this.prefix}{cluster}:minutes`, `${this.prefix}{cluster}:events`];
  }

  token({ id }: Pick<TokenKey, 'id'>): string {
    return `${this.prefix}{k:${id}}`;
  }

  /** Failures of the client and of the credentials, calls of the client, breaker: all of one token endpoint. */
  gate({ upstreamId, clientId, credentialsId }: TokenKey): readonly [string, string, string, string] {
    const endpoint = `${this.prefix}{u:${upstreamId}}`;
    return [
      `${endpoint}:held:${clientId}`,
      `${endpoint}:held:${credentialsId}`,
      `${endpoint}:calls:${clientId}`,
      `${endpoint}:breaker`,
    ];
  }

  /** Lies in the same slot as `key`. */
  probe(key: string): string {
    const tag = key.slice(key.indexOf('{'), key.indexOf('}') + 1);
    return `${this.prefix}${tag}:probe`;
  }
}
