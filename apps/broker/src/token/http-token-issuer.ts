import { Injectable, Logger } from '@nestjs/common';

import { type IssuedToken, IssuerError, type TokenIssuer, type TokenSubject } from '#token';
import {
  bySuitability,
  type ClientRecord,
  type ClientSecret,
  type Moment,
  noteSecret,
  Vault,
  VaultError,
} from '#vault';

import type { CallOrigin } from '../tracing/call-origin.js';
import { Grants } from '../upstream/grants.js';
import { inRefreshSpan } from './spans.js';

type OriginatedSubject = TokenSubject & { readonly origin: CallOrigin | undefined };

/** How old what is noted of a secret may be before it is noted anew, in ms. */
const NOTED_FOR_MS = 600_000;

/** Gets tokens from MobilePay with the credentials in the vault. Of two live secrets, it tries the other one if one is
 *  refused. */
@Injectable()
export class HttpTokenIssuer implements TokenIssuer {
  readonly #log = new Logger('issuer');
  readonly #notedAsOpaque = new Set<string>();

  constructor(
    private readonly grants: Grants,
    private readonly vault: Vault,
  ) {}

  issue(subject: TokenSubject, signal: AbortSignal, origin?: CallOrigin): Promise<IssuedToken> {
    return inRefreshSpan(subject, origin, (inside) => this.#issue({ ...subject, origin: inside }, signal));
  }

  async #issue(subject: OriginatedSubject, signal: AbortSignal): Promise<IssuedToken> {
    const client = this.#clientOf(subject);
    const [first, second] = bySuitability(client.secrets);
    if (!first) throw new IssuerError('credentials_rejected', 'the client has no secret');
    if (!second) return this.#grant(client, first, subject, signal);
    try {
      const issued = await this.#grant(client, first, subject, signal);
      this.#note(client, [[first, true]]);
      return issued;
    } catch (error) {
      // Not after a time-out or a 5xx: they say nothing of the secret.
      if (!(error instanceof IssuerError && error.scope === 'credentials') || signal.aborted) throw error;
      const issued = await this.#grant(client, second, subject, signal);
      const refused = first.secret.fingerprint;
      this.#log.warn({
        event: 'other_secret_used',
        client: client.name,
        correlation_id: subject.origin?.correlationId,
        refused,
      });
      this.#note(client, [
        [first, false],
        [second, true],
      ]);
      return issued;
    }
  }

  async #grant(client: ClientRecord, { secret }: ClientSecret, subject: OriginatedSubject, signal: AbortSignal) {
    const issued = await this.grants.request({ ...client, clientSecret: secret }, subject, signal);
    if (issued.opaque) this.#noteOpaque(client.name);
    return issued;
  }

  /** Remembers which secrets MobilePay accepts, for all replicas and for operators. No token waits for that. */
  #note({ name }: ClientRecord, seen: readonly (readonly [ClientSecret, accepted: boolean])[]): void {
    const isKnown = seen.every(
      ([{ acceptedAt }, accepted]) =>
        accepted && acceptedAt !== undefined && Date.now() - Date.parse(acceptedAt) < NOTED_FOR_MS,
    );
    if (isKnown) return;
    const edit = (current: ClientRecord | undefined, at: Moment) =>
      seen.reduce(
        (record, [{ secret }, accepted]) => record && noteSecret(record, secret.fingerprint, accepted, at),
        current,
      );
    this.vault.changeClient(name, edit).catch((error: unknown) => {
      if (!(error instanceof VaultError)) throw error;
      this.#log.warn({ event: 'secret_not_noted', client: name, code: error.code });
    });
  }

  /** Said once per client: neither the merchant nor the expiry of such a token can be checked. */
  #noteOpaque(client: string): void {
    if (this.#notedAsOpaque.has(client)) return;
    this.#notedAsOpaque.add(client);
    this.#log.log({ event: 'opaque_token', client });
  }

  /** The record that the subject was made from; a newer one would get a token under the wrong key. */
  #clientOf({ client, credentialGeneration }: TokenSubject): ClientRecord {
    const record = this.vault.findClient(client);
    if (!record?.enabled || record.generation !== credentialGeneration) {
      throw new IssuerError('credentials_rejected', 'the credentials were replaced or switched off meanwhile');
    }
    return record;
  }
}
