import { Injectable } from '@nestjs/common';

import { type TokenKey, tokenKeysOf, type TokenSubject } from '#token';
import { type ClientRecord, decide, Vault } from '#vault';

import type { Caller } from '../http/caller.js';
import { Problem } from '../http/problem.js';
import { Grants } from '../upstream/grants.js';

/** Keys remembered of all clients, at about 250 bytes each, and once more as many that were not asked for since those
 *  were: a caller may make merchants and scopes up. What is forgotten is computed anew. */
const MOST_REMEMBERED = 150_000;
/** A name that is longer, because of its scope, counts for several. In characters. */
const USUAL_LENGTH = 64;

/** By record: a change of the client makes a new one, and its old keys go with the old record. */
type Remembered = WeakMap<ClientRecord, KeysOfClient>;

interface KeysOfClient {
  readonly make: ReturnType<typeof tokenKeysOf>;
  readonly byName: Map<string, TokenKey>;
}

/** What a caller asks for, as the key that its token is cached under. */
@Injectable()
export class TokenKeys {
  #young: Remembered = new WeakMap();
  #old: Remembered = new WeakMap();
  #count = 0;

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
    const name = scope === undefined ? (merchantVat ?? '') : `${merchantVat ?? ''} ${scope}`;
    return this.#young.get(record)?.byName.get(name) ?? this.#remember(record, name, merchantVat, scope);
  }

  #remember(record: ClientRecord, name: string, merchantVat?: string, scope?: string): TokenKey {
    if (this.#count >= MOST_REMEMBERED) {
      this.#old = this.#young;
      this.#young = new WeakMap();
      this.#count = 0;
    }
    const old = this.#old.get(record);
    let young = this.#young.get(record);
    if (!young) this.#young.set(record, (young = { make: old?.make ?? this.#makerOf(record), byName: new Map() }));
    const key = old?.byName.get(name) ?? young.make(merchantVat, scope);
    young.byName.set(name, key);
    this.#count += 1 + Math.floor(name.length / USUAL_LENGTH);
    return key;
  }

  #makerOf(record: ClientRecord): KeysOfClient['make'] {
    return tokenKeysOf({
      environment: record.environment,
      tokenUrl: this.grants.urlOf(record.environment),
      client: record.name,
      credentialGeneration: record.generation,
      credentialState: stateOf(record),
    });
  }
}

/** Changes whenever there is a new reason to believe in a client's secrets: one came, or MobilePay accepted one. */
function stateOf({ secrets }: ClientRecord): string {
  return secrets.map(({ secret, acceptedAt = '' }) => `${secret.fingerprint} ${acceptedAt}`).join(', ');
}
