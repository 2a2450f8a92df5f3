import { newCallerKey } from './caller-key.js';
import { VaultError } from './errors.js';
import type { Grant } from './grants.js';
import type { KeyRing } from './key-ring.js';
import { isName } from './names.js';
import {
  type BasicEncoding,
  type CallerRecord,
  type ClientRecord,
  type Environment,
  parseCaller,
  parseClient,
  type RecordKind,
  type RecordTypes,
  type Role,
  serialise,
} from './records.js';
import { Sealer } from './sealer.js';
import { Secret } from './secret.js';
import type { Change, VaultStore } from './vault-store.js';

const PURPOSE = 'vault';
/** How often a change is made anew because another process was quicker. */
const WRITE_ATTEMPTS = 5;

export interface ClientCredentials {
  readonly name: string;
  readonly environment: Environment;
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly extraHeaders?: Readonly<Record<string, string>>;
  readonly basicEncoding?: BasicEncoding;
}

export interface CallerKeyShownOnce {
  readonly id: string;
  readonly key: Secret;
  readonly expiresAt: string | undefined;
}

interface Versioned<T> {
  readonly record: T;
  readonly version: number;
}

interface Contents {
  readonly client: Map<string, Versioned<ClientRecord>>;
  readonly caller: Map<string, Versioned<CallerRecord>>;
}

type Edit = { [K in RecordKind]: { kind: K; name: string; next: RecordTypes[K] } }[RecordKind];

/** Whether a change was made through this vault, or was found in the store. */
export type ChangedBy = 'us' | 'others';

/** The vault, opened: every record in memory, every change sealed and stored before it counts. */
export class Vault {
  readonly #listeners = new Set<(by: ChangedBy) => void>();
  #contents: Contents = { client: new Map(), caller: new Map() };
  #lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly store: VaultStore,
    private readonly sealer: Sealer,
    private readonly nowMs: () => number,
  ) {}

  /** Reads and opens every record.
   *  @param nowMs wall clock, ms since 1970
   *  @throws VaultError `unreadable`, `wrong_key` or `damaged`; names the records. Nothing is changed. */
  static async open(store: VaultStore, ring: KeyRing, nowMs: () => number): Promise<Vault> {
    const vault = new Vault(store, new Sealer(ring), nowMs);
    await vault.#load();
    return vault;
  }

  /** Takes over what others have changed in the store. If it cannot be read, what is in memory stays.
   *  @throws VaultError as `open` */
  async reload(): Promise<void> {
    const reload = this.#lastWrite.then(() => this.#load());
    this.#lastWrite = reload.catch(() => {});
    return reload;
  }

  findClient(name: string): ClientRecord | undefined {
    return this.#contents.client.get(name)?.record;
  }

  findCaller(name: string): CallerRecord | undefined {
    return this.#contents.caller.get(name)?.record;
  }

  get clients(): ClientRecord[] {
    return [...this.#contents.client.values()].map(({ record }) => record);
  }

  get callers(): CallerRecord[] {
    return [...this.#contents.caller.values()].map(({ record }) => record);
  }

  /** Calls `listener` after each change until the function returned is called. */
  onChange(listener: (by: ChangedBy) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Creates or replaces clients, all or none. Other credentials start a new generation.
   *  @throws VaultError `invalid`, `unwritable` */
  async saveClients(credentials: readonly ClientCredentials[]): Promise<ClientRecord[]> {
    for (const each of credentials) checkCredentials(each);
    const names = new Set(credentials.map(({ name }) => name));
    if (names.size < credentials.length) throw new VaultError('invalid', 'two clients have the same name');
    return this.#change((now) => {
      const clients = credentials.map((each) => this.#withCredentials(each, now));
      return [clients, clients.map((next) => ({ kind: 'client', name: next.name, next }))];
    });
  }

  /** Creates a caller, or replaces its roles and grants. Its keys stay. */
  async saveCaller(name: string, roles: readonly Role[], grants: readonly Grant[]): Promise<CallerRecord> {
    if (!isName(name)) throw new VaultError('invalid', 'the name must be 1 to 63 characters of a-z, 0-9 and -');
    return this.#change((now) => {
      const current = this.findCaller(name);
      const next: CallerRecord = {
        name,
        roles,
        grants,
        keys: current?.keys ?? [],
        createdAt: current?.createdAt ?? now,
        updatedAt: now,
      };
      return [next, [{ kind: 'caller', name, next }]];
    });
  }

  /** Makes a key for a caller. The answer is the only place where it ever stands.
   *  @throws VaultError `not_found` */
  async addCallerKey(name: string, expiresInSeconds?: number): Promise<CallerKeyShownOnce> {
    const { id, key, hash } = newCallerKey();
    const expiresAt =
      expiresInSeconds === undefined ? undefined : new Date(this.nowMs() + expiresInSeconds * 1_000).toISOString();
    return this.#change((now) => {
      const caller = this.findCaller(name);
      if (!caller) throw new VaultError('not_found', `there is no caller ${name}`);
      const added = { id, hash, createdAt: now, ...(expiresAt !== undefined && { expiresAt }) };
      const next = { ...caller, keys: [...caller.keys, added], updatedAt: now };
      return [{ id, key, expiresAt }, [{ kind: 'caller', name, next }]];
    });
  }

  #withCredentials(given: ClientCredentials, now: string): ClientRecord {
    const current = this.findClient(given.name);
    const { name, environment, clientId, clientSecret } = given;
    const extraHeaders = given.extraHeaders ?? current?.extraHeaders ?? {};
    const basicEncoding = given.basicEncoding ?? current?.basicEncoding ?? 'plain';
    const same =
      current?.environment === environment &&
      current.clientId === clientId &&
      current.basicEncoding === basicEncoding &&
      current.secrets[0]?.secret.reveal() === clientSecret.reveal() &&
      JSON.stringify(current.extraHeaders) === JSON.stringify(extraHeaders);
    return {
      name,
      environment,
      clientId,
      secrets: same ? current.secrets : [{ secret: clientSecret, addedAt: now }],
      extraHeaders,
      basicEncoding,
      enabled: current?.enabled ?? true,
      generation: same ? current.generation : Math.max(this.nowMs(), (current?.generation ?? 0) + 1),
      createdAt: current?.createdAt ?? now,
      updatedAt: now,
    };
  }

  /** One change at a time in this process; made anew from the newest state if another process was quicker. */
  async #change<T>(make: (now: string) => [T, Edit[]]): Promise<T> {
    const write = this.#lastWrite.then(() => this.#attempt(make, WRITE_ATTEMPTS));
    this.#lastWrite = write.catch(() => {});
    return write;
  }

  async #attempt<T>(make: (now: string) => [T, Edit[]], attempts: number): Promise<T> {
    const [result, edits] = make(new Date(this.nowMs()).toISOString());
    try {
      await this.store.write(await Promise.all(edits.map((edit) => this.#sealed(edit))));
    } catch (error) {
      if (!(error instanceof VaultError && error.code === 'conflict') || attempts === 1) throw error;
      await this.#load();
      return this.#attempt(make, attempts - 1);
    }
    for (const edit of edits) this.#keep(edit);
    this.#tell('us');
    return result;
  }

  async #sealed({ kind, name, next }: Edit): Promise<Change> {
    const expectedVersion = this.#contents[kind].get(name)?.version ?? 0;
    const place = { purpose: PURPOSE, record: `${kind}/${name}`, version: expectedVersion + 1 };
    return { name: place.record, expectedVersion, sealed: await this.sealer.seal(serialise(next), place) };
  }

  #keep(edit: Edit): void {
    const version = (this.#contents[edit.kind].get(edit.name)?.version ?? 0) + 1;
    if (edit.kind === 'client') this.#contents.client.set(edit.name, { record: edit.next, version });
    else this.#contents.caller.set(edit.name, { record: edit.next, version });
  }

  async #load(): Promise<void> {
    const contents: Contents = { client: new Map(), caller: new Map() };
    const failures: VaultError[] = [];
    for (const { name, version, sealed } of await this.store.read()) {
      try {
        const json = await this.sealer.open(sealed, { purpose: PURPOSE, record: name, version });
        const [kind, key = ''] = name.split('/');
        if (kind === 'client') contents.client.set(key, { record: parseClient(json), version });
        else if (kind === 'caller') contents.caller.set(key, { record: parseCaller(json), version });
        else throw new VaultError('damaged', `${name} is of a kind that this version does not know`);
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        failures.push(error);
      }
    }
    const [first, ...others] = failures;
    if (first) {
      const more = others.length > 0 ? ` (and ${others.length} more)` : '';
      throw new VaultError(first.code, `${this.store.description}: ${first.message}${more}`, { cause: first });
    }
    if (isSame(contents, this.#contents)) return;
    this.#contents = contents;
    this.#tell('others');
  }

  #tell(by: ChangedBy): void {
    for (const listener of this.#listeners) listener(by);
  }
}

/** A record with another content has another version. */
function isSame(a: Contents, b: Contents): boolean {
  const versions = ({ client, caller }: Contents) =>
    [...client, ...caller].map(([name, { version }]) => `${name} ${version}`).toSorted();
  return JSON.stringify(versions(a)) === JSON.stringify(versions(b));
}

function checkCredentials({ name, clientId, clientSecret, basicEncoding = 'plain' }: ClientCredentials): void {
  const problem = [
    [isName(name), 'the name must be 1 to 63 characters of a-z, 0-9 and -, not starting with -'],
    [isPrintable(clientId), 'the client id must be 1 to 512 characters without control characters'],
    [isPrintable(clientSecret.reveal()), 'the client secret must be 1 to 512 characters without control characters'],
    [basicEncoding === 'form' || !clientId.includes(':'), 'a client id with ":" needs basic_encoding "form"'],
  ].find(([fine]) => !fine);
  if (problem) throw new VaultError('invalid', String(problem[1]));
}

function isPrintable(text: string): boolean {
  return text.length > 0 && text.length <= 512 && !/\p{Cc}/u.test(text) && text.isWellFormed();
}
