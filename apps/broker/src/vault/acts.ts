import { Injectable } from '@nestjs/common';

import {
  type CallerRecord,
  type ClientCredentials,
  type ClientRecord,
  importClient,
  type Moment,
  Vault,
  VaultError,
} from '#vault';

import { AuditLog } from '../audit/audit-log.js';
import type { CallerRequest } from '../http/caller.js';
import { expectedBy } from '../http/etag.js';
import { Problem } from '../http/problem.js';
import { fingerprintOf, lastingCaller, lastingClient } from './record-fingerprint.js';

type ClientAct = 'replaced' | 'enabled' | 'disabled' | 'deleted' | 'secret_added' | 'secret_retired';
type CallerAct = 'replaced' | 'changed' | 'deleted' | 'key_added' | 'key_revoked';
type Edit<R> = (current: R | undefined, at: Moment) => R | undefined;

/** An act on a client that came through, for whoever listens. */
export interface ActOnClient {
  readonly act: 'created' | ClientAct | 'imported';
  readonly client: string;
  readonly environment: string | undefined;
  /** Whether it was there before and still is, with other secrets. */
  readonly hasOtherSecrets: boolean;
  readonly by: string;
}

/** What an edit was given and what it made; of the last time that it was run, which is the one that counts. */
interface Made<R> {
  readonly before: R | undefined;
  readonly after: R | undefined;
}

export interface TestedSecret {
  readonly fingerprint: string;
  readonly accepted: boolean;
  readonly code?: string;
}

/** Changes of the vault by an administrator, each with its line in the audit trail: by whom, from where, and from which
 *  state to which. */
@Injectable()
export class Acts {
  readonly #listeners = new Set<(act: ActOnClient) => void>();

  constructor(
    private readonly vault: Vault,
    private readonly log: AuditLog,
  ) {}

  /** Calls `listener` after each act on a client through this replica. */
  subscribe(listener: (act: ActOnClient) => void): void {
    this.#listeners.add(listener);
  }

  /** As `Vault.changeClient`, from a version that the request expects. */
  changeClient(request: CallerRequest, act: ClientAct, name: string, edit: Edit<ClientRecord>) {
    const expected = expectedBy(request);
    return this.#noted(
      edit,
      (noting) => this.vault.changeClient(name, noting, expected),
      (made, failed) => {
        const event = act === 'replaced' && !made.before ? 'created' : act;
        this.#writeClient(request, event, name, made, failed);
      },
    );
  }

  /** As `Vault.changeCaller`, from a version that the request expects. */
  changeCaller(request: CallerRequest, act: CallerAct, name: string, edit: Edit<CallerRecord>) {
    const expected = expectedBy(request);
    return this.#noted(
      edit,
      (noting) => this.vault.changeCaller(name, noting, expected),
      ({ before, after }, failed) => {
        const event = act === 'replaced' && !before ? 'created' : act;
        const [had, has] = [before, after].map((record) => record?.keys.map(({ id }) => id) ?? []);
        this.#write(request, `caller.${event}`, {
          subject: name,
          ...(act.startsWith('key_') && { key: differing(had, has) }),
          before: before ? fingerprintOf(lastingCaller(before)) : null,
          after: after ? fingerprintOf(lastingCaller(after)) : null,
          ...failed,
        });
      },
    );
  }

  /** As `Vault.addCallerKey`. */
  addCallerKey(request: CallerRequest, name: string, expiresInSeconds?: number) {
    return this.vault.addCallerKey(name, expiresInSeconds, (edit) =>
      this.changeCaller(request, 'key_added', name, edit),
    );
  }

  /** Takes clients over from an archive, all or none. */
  async importClients(request: CallerRequest, clients: readonly ClientCredentials[]): Promise<ClientRecord[]> {
    const made = new Map<string, Made<ClientRecord>>();
    const writeAll = (failed = {}) => {
      for (const [name, each] of made) this.#writeClient(request, 'imported', name, each, failed);
    };
    try {
      const records = await this.vault.saveClients(clients, (before, given, at) => {
        const after = importClient(before, given, at);
        made.set(given.name, { before, after });
        return after;
      });
      writeAll();
      return records;
    } catch (error) {
      if (mayHaveActed(error)) writeAll(failureOf(error));
      throw error;
    }
  }

  /** What concerns the vault as a whole.
   *  @param tell what is written down of it; of its result, if it came to one; without any secret
   *  @param hasActed whether it may have had an effect, though it failed */
  async actOnVault<T>(
    request: CallerRequest,
    act: 'rekeyed' | 'backed_up' | 'restored',
    work: () => Promise<T>,
    tell: (result?: T) => object = () => ({}),
    hasActed: (error: unknown) => boolean = mayHaveActed,
  ): Promise<T> {
    const before = this.#state();
    const write = (outcome: object) =>
      this.#write(request, `vault.${act}`, { subject: null, before, after: this.#state(), ...outcome });
    try {
      const result = await work();
      write(tell(result));
      return result;
    } catch (error) {
      if (hasActed(error)) write({ ...tell(), ...failureOf(error) });
      throw error;
    }
  }

  /** A client's secrets were shown to MobilePay: `code` says why it did not accept one. */
  writeTest(request: CallerRequest, name: string, secrets: readonly TestedSecret[], merchantVat?: string): void {
    const record = this.vault.findClient(name);
    const state = record ? fingerprintOf(lastingClient(record)) : null;
    const tested = secrets.map(({ fingerprint, accepted, code }) => ({ secret: fingerprint, accepted, code }));
    const about = { subject: name, merchant_vat: merchantVat, tested };
    this.#write(request, 'client.tested', { ...about, before: state, after: state });
  }

  #write({ caller, ip }: CallerRequest, event: string, fields: Readonly<Record<string, unknown>>): void {
    this.log.write(event, { by: caller.name, address: ip, ...fields });
  }

  async #noted<R>(
    edit: Edit<R>,
    change: (noting: Edit<R>) => Promise<R | undefined>,
    write: (made: Made<R>, failed: object) => void,
  ): Promise<R | undefined> {
    const runs: Made<R>[] = [];
    try {
      const record = await change((before, at) => {
        const after = edit(before, at);
        runs.push({ before, after });
        return after;
      });
      for (const made of runs.slice(-1)) write(made, {});
      return record;
    } catch (error) {
      if (mayHaveActed(error)) for (const made of runs.slice(-1)) write(made, failureOf(error));
      throw error;
    }
  }

  #writeClient(
    request: CallerRequest,
    act: ActOnClient['act'],
    name: string,
    { before, after }: Made<ClientRecord>,
    failed: object,
  ): void {
    const [had, has] = [before, after].map((record) => record?.secrets.map(({ secret }) => secret.fingerprint));
    this.#write(request, `client.${act}`, {
      subject: name,
      ...(act.startsWith('secret_') && { secret: differing(had, has) }),
      before: before ? fingerprintOf(lastingClient(before)) : null,
      after: after ? fingerprintOf(lastingClient(after)) : null,
      secrets_before: had ?? null,
      secrets_after: has ?? null,
      ...failed,
    });
    if (before === after || Object.keys(failed).length > 0) return;
    const hasOtherSecrets = before !== undefined && after !== undefined && differing(had, has) !== undefined;
    const { environment } = after ?? before ?? {};
    for (const tell of this.#listeners)
      tell({ act, client: name, environment, hasOtherSecrets, by: request.caller.name });
  }

  /** The fingerprint of everything in the vault. */
  #state(): string {
    const { clients, callers } = this.vault;
    return fingerprintOf([...clients.map(lastingClient), ...callers.map(lastingCaller)].map(fingerprintOf).toSorted());
  }
}

/** What only one of two lists has: the key or secret that an act is about. */
function differing(had: readonly string[] = [], has: readonly string[] = []): string | undefined {
  return [...had, ...has].find((id) => !had.includes(id) || !has.includes(id));
}

/** Whether a change that failed may have come through: all other errors say that nothing was touched. */
function mayHaveActed(error: unknown): boolean {
  return error instanceof VaultError ? error.code === 'unwritable' : !(error instanceof Problem);
}

function failureOf(error: unknown) {
  return { failed: error instanceof VaultError ? error.code : 'internal_error' };
}
