import { addKey } from './caller-edits.js';
import { changesTo, openBackup, sealBackup } from './backup.js';
import { newCallerKey } from './caller-key.js';
import { type ClientCredentials, type Moment, replaceClient } from './client-edits.js';
import {
  isSame,
  noContents,
  openContents,
  openEach,
  partsOf,
  refuseIfLost,
  refuseIfNewer,
  type Versioned,
} from './contents.js';
import { type Edit, sealEdit } from './edit.js';
import { VaultError } from './errors.js';
import type { KeyRing } from './key-ring.js';
import type { CallerRecord, ClientRecord, RecordKind } from './records.js';
import { Sealer } from './sealer.js';
import type { Secret } from './secret.js';
import type { Change, VaultStore } from './vault-store.js';

/** How often a change is made anew because another process was quicker. One of them always gets on. */
const WRITE_ATTEMPTS = 25;

export interface CallerKeyShownOnce {
  readonly id: string;
  readonly key: Secret;
  readonly expiresAt: string | undefined;
}

/** What a change may start from: any version, none (`absent`), any but none (`present`), or one. */
export type Expected = 'any' | 'absent' | 'present' | number;

type CallerEdit = (current: CallerRecord | undefined, at: Moment) => CallerRecord | undefined;

/** Whether a change was made through this vault, or was found in the store. */
export type ChangedBy = 'us' | 'others';

/** The vault, opened: every record in memory, every change sealed and stored before it counts. */
export class Vault {
  readonly #listeners = new Set<(by: ChangedBy) => void>();
  #contents = noContents();
  #lastWrite: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly store: VaultStore,
    private readonly sealer: Sealer,
    private readonly nowMs: () => number,
  ) {}

  /** Reads and opens every record. One that is sealed under an unknown master key fails alone: see `locked`. So does one
   *  that a newer version wrote, and a vault of nothing else opens as well: see `newer`.
   *  @param nowMs wall clock, ms since 1970
   *  @throws VaultError `unreadable`, `damaged`, or `wrong_key` if nothing can be opened; names the records. Nothing is
   *  changed. */
  static async open(store: VaultStore, ring: KeyRing, nowMs: () => number): Promise<Vault> {
    const vault = new Vault(store, new Sealer(ring), nowMs);
    await vault.#load();
    return vault;
  }

  /** Takes over what others have changed in the store. If it cannot be read, what is in memory stays.
   *  @throws VaultError as `open` */
  async reload(): Promise<void> {
    return this.#inTurn(() => this.#load());
  }

  /** Takes over master keys while no record is read or changed: none is left under a key that went meanwhile.
   *  @param refuse asked right before; if it throws, the keys stay as they are
   *  @throws VaultError as `KeyRing.adopt` */
  async adoptKeys(next: KeyRing, refuse: () => Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await refuse();
      this.sealer.ring.adopt(next);
    });
  }

  findClient(name: string): ClientRecord | undefined {
    return this.#contents.client.get(name)?.record;
  }

  findCaller(name: string): CallerRecord | undefined {
    return this.#contents.caller.get(name)?.record;
  }

  versionOf(kind: RecordKind, name: string): number | undefined {
    return this.#contents[kind].get(name)?.version;
  }

  get clients(): ClientRecord[] {
    return [...this.#contents.client.values()].map(({ record }) => record);
  }

  get callers(): CallerRecord[] {
    return [...this.#contents.caller.values()].map(({ record }) => record);
  }

  /** What cannot be opened, such as `client/acme`, and why. Everything else is served. */
  get locked(): ReadonlyMap<string, VaultError> {
    return this.#contents.locked;
  }

  /** The same for what a newer version wrote in a form that this one does not read: absent, and neither changed nor
   *  deleted here. */
  get newer(): ReadonlyMap<string, VaultError> {
    return this.#contents.newer;
  }

  /** @throws VaultError `wrong_key`, `newer` */
  refuseIfUnopened(kind: RecordKind, name: string): void {
    const error = this.locked.get(`${kind}/${name}`) ?? this.newer.get(`${kind}/${name}`);
    if (error) throw error;
  }

  /** How many records are sealed under another master key than the first. */
  get outdated(): number {
    return this.#contents.outdated.size;
  }

  /** Calls `listener` after each change until the function returned is called. */
  onChange(listener: (by: ChangedBy) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Creates or replaces clients, all or none; or takes them over from an archive, with `edit` `importClient`.
   *  @throws VaultError `invalid`, `newer`, `unwritable` */
  async saveClients(
    credentials: readonly ClientCredentials[],
    edit: typeof replaceClient = replaceClient,
  ): Promise<ClientRecord[]> {
    const names = new Set(credentials.map(({ name }) => name));
    if (names.size < credentials.length) throw new VaultError('invalid', 'two clients have the same name');
    return this.#change((at) => {
      for (const name of names) this.#demand('client', name, 'any');
      const clients = credentials.map((each) => edit(this.findClient(each.name), each, at));
      const changed = clients.filter((next) => next !== this.findClient(next.name));
      return [clients, changed.map((next) => ({ kind: 'client', name: next.name, next }))];
    });
  }

  /** Changes, creates or (by answering undefined) deletes a client.
   *  @param edit may be called again, if another process was quicker
   *  @throws VaultError `precondition`, `newer`, `unwritable`, and what `edit` throws */
  async changeClient(
    name: string,
    edit: (current: ClientRecord | undefined, at: Moment) => ClientRecord | undefined,
    expected: Expected = 'any',
  ): Promise<ClientRecord | undefined> {
    return this.#change((at) => {
      this.#demand('client', name, expected);
      const current = this.findClient(name);
      const next = edit(current, at);
      return [next, next === current ? [] : [{ kind: 'client', name, next }]];
    });
  }

  /** The same for a caller. */
  async changeCaller(name: string, edit: CallerEdit, expected: Expected = 'any'): Promise<CallerRecord | undefined> {
    return this.#change((at) => {
      this.#demand('caller', name, expected);
      const current = this.findCaller(name);
      const next = edit(current, at);
      return [next, next === current ? [] : [{ kind: 'caller', name, next }]];
    });
  }

  /** Changes all callers of which `edit` makes another record, in one write.
   *  @throws VaultError `unwritable` */
  async changeCallers(edit: (current: CallerRecord) => CallerRecord): Promise<void> {
    await this.#change(() => {
      const edits = this.callers.map((current): Edit => ({ kind: 'caller', name: current.name, next: edit(current) }));
      return [undefined, edits.filter(({ name, next }) => next !== this.findCaller(name))];
    });
  }

  /** Makes a key for a caller. The answer is the only place where it ever stands.
   *  @param change what `changeCaller` does by default with the edit that adds it
   *  @throws VaultError `not_found`, `conflict` */
  async addCallerKey(
    name: string,
    expiresInSeconds?: number,
    change: (edit: CallerEdit) => Promise<unknown> = (edit) => this.changeCaller(name, edit),
  ): Promise<CallerKeyShownOnce> {
    const { id, key, hash } = newCallerKey();
    const expiresAt =
      expiresInSeconds === undefined ? undefined : new Date(this.nowMs() + expiresInSeconds * 1_000).toISOString();
    await change((caller, at) => {
      if (!caller) throw new VaultError('not_found', `there is no caller ${name}`);
      return addKey(caller, { id, hash, createdAt: at.now, ...(expiresAt !== undefined && { expiresAt }) }, at);
    });
    return { id, key, expiresAt };
  }

  /** Everything in one sealed value, for `restore` of this vault or of another with the same master key.
   *  @throws VaultError `newer` if it would lack what only a newer version reads */
  async backup(): Promise<string> {
    refuseIfNewer(this.#contents, 'a backup');
    return sealBackup(this.sealer, this);
  }

  /** Replaces everything by what a backup holds, all or nothing.
   *  @throws VaultError `backup`, `newer` if the store holds what only a newer version reads (nothing was touched),
   *  `unwritable` */
  async restore(backup: string): Promise<{ clients: number; callers: number }> {
    const { clients, callers } = await openBackup(this.sealer, backup);
    await this.#inTurn(async () => {
      // By what is stored, and not by what is in memory: the store may have been lost, and holds what cannot be opened.
      const stored = await this.store.read();
      refuseIfNewer((await openEach(this.sealer, stored)).contents, 'a restore');
      await this.store.write(await changesTo({ clients, callers }, stored, (edit, now) => this.#sealed(edit, now)));
      await this.#load(true);
      this.#tell('us');
    });
    return { clients: clients.length, callers: callers.length };
  }

  /** Seals one more record under the ring's first key. Every record can be opened at any time, before and after.
   *  @returns how many are left */
  async rekeyOne(): Promise<number> {
    const [name] = this.#contents.outdated;
    if (name === undefined) return 0;
    const { kind, key } = partsOf(name);
    await this.#change(() => {
      // Changed or deleted meanwhile: whoever did that sealed it anew.
      if (!this.#contents.outdated.has(name)) return [undefined, []];
      return [undefined, [{ kind, name: key, next: this.#contents[kind].get(key)?.record }]];
    });
    this.#contents.outdated.delete(name);
    return this.#contents.outdated.size;
  }

  #demand(kind: RecordKind, name: string, expected: Expected): void {
    const version = this.versionOf(kind, name);
    this.refuseIfUnopened(kind, name);
    const holds =
      expected === 'any' ||
      (expected === 'absent'
        ? version === undefined
        : expected === 'present'
          ? version !== undefined
          : version === expected);
    if (!holds) throw new VaultError('precondition', `${kind} ${name} is not as the change expects it`);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastWrite.then(work);
    this.#lastWrite = turn.catch(() => {});
    return turn;
  }

  /** One change at a time in this process; made anew from the newest state if another process was quicker. */
  #change<T>(make: (at: Moment) => [T, Edit[]]): Promise<T> {
    return this.#inTurn(() => this.#attempt(make, WRITE_ATTEMPTS));
  }

  async #attempt<T>(make: (at: Moment) => [T, Edit[]], attempts: number): Promise<T> {
    const nowMs = this.nowMs();
    const [result, edits] = make({ nowMs, now: new Date(nowMs).toISOString() });
    if (edits.length === 0) return result;
    refuseIfLost(this.#contents, await this.store.read(), this.store.description);
    const changes = await Promise.all(edits.map((edit) => this.#sealed(edit, this.versionOf(edit.kind, edit.name))));
    try {
      await this.store.write(changes);
    } catch (error) {
      if (!(error instanceof VaultError && error.code === 'conflict') || attempts === 1) throw error;
      await this.#load();
      return this.#attempt(make, attempts - 1);
    }
    for (const [i, edit] of edits.entries()) this.#keep(edit, changes[i]?.version ?? 0);
    this.#tell('us');
    return result;
  }

  #sealed(edit: Edit, current: number | undefined): Promise<Change> {
    return sealEdit(this.sealer, edit, current, this.nowMs());
  }

  #keep({ kind, name, next }: Edit, version: number): void {
    this.#contents.outdated.delete(`${kind}/${name}`);
    const records: Map<string, Versioned<ClientRecord | CallerRecord>> = this.#contents[kind];
    if (next) records.set(name, { record: next, version });
    else records.delete(name);
  }

  /** @param replaced whether everything was replaced on purpose */
  async #load(replaced = false): Promise<void> {
    const stored = await this.store.read();
    if (!replaced) refuseIfLost(this.#contents, stored, this.store.description);
    const contents = await openContents(this.sealer, stored, this.store.description);
    if (isSame(contents, this.#contents)) return;
    this.#contents = contents;
    this.#tell('others');
  }

  #tell(by: ChangedBy): void {
    for (const listener of this.#listeners) listener(by);
  }
}
