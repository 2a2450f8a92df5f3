import { Injectable } from '@nestjs/common';

import { type TokenKey, tokenKey, type TokenSubject } from '#token';
import { type ClientRecord, decide, Vault } from '#vault';

import type { Caller } from '../http/caller.js';
import { Problem } from '../http/problem.js';
import { Grants } from '../upstream/grants.js';

/** Keys remembered per client; beyond that they are computed anew. */
const MOST_REMEMBERED = 10_000;

/** What a caller asks for, as the key that its token is cached under. */
@Injectable()
export class TokenKeys {
  /** By record: a change of the client makes a new one, and its old keys go with the old record. */
  readonly #known = new WeakMap<ClientRecord, Map<string, TokenKey>>();

  constructor(
    private readonly vault: Vault,
    private readonly grants: Grants,
  ) {}

  /** @throws Problem `forbidden`, `not_found` or `client_disabled` */
  find(caller: Caller, client: string, merchantVat: string | undefined, scope?: string): TokenKey {
    if (typeof decide(caller, client, merchantVat) === 'string') {
      const what = merchantVat === undefined ? 'tokens bound to no merchant' : `tokens of ${merchantVat}`;
      throw new Problem('forbidden', `no grant allows the caller ${what} for the client ${client}`);
    }
    const record = this.#clientOf(client);
    if (!record.enabled) throw new Problem('client_disabled', `the client ${client} is switched off`);
    return this.#keyOf(record, merchantVat, scope);
  }

  /** The same for an operator, who needs no grant to see a key's state.
   *  @throws Problem `not_found` */
  get(client: string, merchantVat: string | undefined): TokenKey {
    return this.#keyOf(this.#clientOf(client), merchantVat, undefined);
  }

  /** Whether no request leads to a key of this subject any more. */
  isStale({ client, credentialGeneration }: TokenSubject): boolean {
    const record = this.vault.findClient(client);
    return !record?.enabled || record.generation !== credentialGeneration;
  }

  #clientOf(client: string): ClientRecord {
    const record = this.vault.findClient(client);
    if (!record) throw new Problem('not_found', `there is no client ${client}`);
    return record;
  }

  #keyOf(record: ClientRecord, merchantVat: string | undefined, scope: string | undefined): TokenKey {
    let keys = this.#known.get(record);
    if (!keys) this.#known.set(record, (keys = new Map()));
    const id = scope === undefined ? (merchantVat ?? '') : `${merchantVat ?? ''} ${scope}`;
    let key = keys.get(id);
    if (!key) {
      if (keys.size >= MOST_REMEMBERED) keys.clear();
      key = tokenKey({
        environment: record.environment,
        tokenUrl: this.grants.urlOf(record.environment),
        client: record.name,
        credentialGeneration: record.generation,
        credentialState: stateOf(record),
        merchantVat,
        scope,
      });
      keys.set(id, key);
    }
    return key;
  }
}

/** Changes whenever there is a new reason to believe in a client's secrets: one came, or MobilePay accepted one. */
function stateOf({ secrets }: ClientRecord): string {
  return secrets.map(({ secret, acceptedAt = '' }) => `${secret.fingerprint} ${acceptedAt}`).join(', ');
}
