import { Injectable } from '@nestjs/common';
import { Counter, Registry } from 'prom-client';

import { Vault } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import { ServedTokens } from '../token/served-tokens.js';

const OTHER = 'other';

/** What callers were answered: each client that is told apart by its name, and the rest together. */
@Injectable()
export class ServedMetrics {
  readonly #counter: Counter<'client' | 'source' | 'result'>;
  readonly #isShared: boolean;
  readonly #most: number;
  /** How much of what was counted of a client is in the counter already. */
  readonly #told = new Map<string, Map<string, number>>();
  #names: ReadonlySet<string> = new Set();
  #isOutdated = true;

  constructor(
    registry: Registry,
    { metrics, redis }: BrokerConfig,
    private readonly served: ServedTokens,
    private readonly vault: Vault,
  ) {
    this.#isShared = redis !== undefined;
    this.#most = metrics.clients;
    this.#counter = new Counter({
      name: 'token_broker_tokens_served_total',
      help: 'Answers to callers who asked for a token, by client, source (memory, redis, upstream; none) and result.',
      labelNames: ['client', 'source', 'result'],
      registers: [registry],
      collect: () => this.#collect(),
    });
    vault.onChange(() => (this.#isOutdated = true));
  }

  #collect(): void {
    if (this.#isOutdated) this.#choose();
    for (const [client, { memory, store, upstream, failures }] of this.served.byClient) {
      // Without Redis the store is this replica's own memory.
      this.#tell(client, 'memory', 'ok', this.#isShared ? memory : memory + store);
      if (this.#isShared) this.#tell(client, 'redis', 'ok', store);
      this.#tell(client, 'upstream', 'ok', upstream);
      for (const [code, count] of failures) this.#tell(client, 'none', code, count);
    }
  }

  /** By name, so that it does not depend on who asks. Whoever is not among them any more counts as other from now on. */
  #choose(): void {
    this.#isOutdated = false;
    const before = this.#names;
    const names = this.vault.clients.map(({ name }) => name).toSorted();
    this.#names = new Set(names.slice(0, this.#most));
    for (const client of before) if (!this.#names.has(client) && client !== OTHER) this.#drop(client);
  }

  #drop(client: string): void {
    for (const series of this.#told.get(client)?.keys() ?? []) {
      const [source = '', result = ''] = series.split(' ');
      this.#counter.remove({ client, source, result });
    }
  }

  /** Adds what came since it was last told: the client may have got another label meanwhile, and no counter goes back. */
  #tell(client: string, source: string, result: string, count: number): void {
    const series = `${source} ${result}`;
    let told = this.#told.get(client);
    if (!told) this.#told.set(client, (told = new Map()));
    const more = count - (told.get(series) ?? 0);
    if (more === 0) return;
    told.set(series, count);
    this.#counter.inc({ client: this.#names.has(client) ? client : OTHER, source, result }, more);
  }
}
