import type { Clock } from './clock.js';
import type { TokenKey } from './key.js';
import { coolingMs } from './policy.js';
import type {
  AcquireOutcome,
  AcquireRequest,
  CommitOutcome,
  FailureReport,
  InvalidateOutcome,
  IssuedToken,
  Lease,
  RenewOutcome,
  SeedOutcome,
  SharedFailure,
  StoredToken,
  StoreMessage,
  TokenStore,
} from './ports.js';

interface KeyRecord {
  token?: IssuedToken & { generation: number; expiresAtMs: number };
  /** Of the newest token ever stored, kept when it is dropped: late commits must lose. */
  tokenGeneration: number;
  lease?: { owner: string; generation: number; expiresAtMs: number };
  leaseGeneration: number;
  invalidatedAtMs?: number;
}

interface FailureRecord {
  report: FailureReport;
  inARow: number;
  untilMs: number;
}

/** The store of one process: for a single replica, and what the shared stores are measured against. */
export class MemoryTokenStore implements TokenStore {
  readonly #keys = new Map<string, KeyRecord>();
  readonly #failures = new Map<string, FailureRecord>();
  readonly #listeners = new Set<(message: StoreMessage) => void>();
  #sweepAtSize = 1_000;

  constructor(readonly clock: Clock) {}

  /** How many keys and failures are remembered. */
  get size(): number {
    return this.#keys.size + this.#failures.size;
  }

  async acquire(key: TokenKey, request: AcquireRequest): Promise<AcquireOutcome> {
    const now = this.clock.now();
    const record = this.#record(key.id, now);
    const token = living(record, now);
    if (token && token.generation > request.haveGeneration && token.remainingMs >= request.minRemainingMs) {
      return { kind: 'hit', token };
    }
    const failure = this.#coolingFailure(key, now);
    if (failure) return { kind: 'failed', failure };
    const lease = record.lease;
    if (lease && lease.expiresAtMs > now && lease.owner !== request.owner) {
      return { kind: 'busy', remainingMs: lease.expiresAtMs - now };
    }
    const generation =
      lease?.owner === request.owner && lease.expiresAtMs > now
        ? lease.generation
        : Math.max(Math.floor(now * 1_000), record.tokenGeneration + 1, record.leaseGeneration + 1);
    record.lease = { owner: request.owner, generation, expiresAtMs: now + request.leaseMs };
    record.leaseGeneration = generation;
    return { kind: 'lead', lease: { key, owner: request.owner, generation, grantedAtMs: now } };
  }

  async renew(lease: Lease, leaseMs: number): Promise<RenewOutcome> {
    const now = this.clock.now();
    const record = this.#record(lease.key.id, now);
    if (record.tokenGeneration >= lease.generation) return 'superseded';
    const other = record.lease;
    if (other && other.expiresAtMs > now && other.owner !== lease.owner) return 'lost';
    record.lease = { owner: lease.owner, generation: lease.generation, expiresAtMs: now + leaseMs };
    record.leaseGeneration = Math.max(record.leaseGeneration, lease.generation);
    return 'renewed';
  }

  async commit(lease: Lease, issued: IssuedToken): Promise<CommitOutcome> {
    const now = this.clock.now();
    const record = this.#record(lease.key.id, now);
    if (record.lease?.owner === lease.owner) delete record.lease;
    if (record.tokenGeneration >= lease.generation) {
      return { kind: 'superseded', token: living(record, now) };
    }
    const token = store(record, lease.generation, issued, lease.grantedAtMs + issued.lifeMs);
    for (const id of failureIds(lease.key)) this.#failures.delete(id);
    this.#publish({ kind: 'token', id: lease.key.id, generation: lease.generation });
    return { kind: 'stored', token: asStored(token, now) };
  }

  async fail(lease: Lease, report: FailureReport): Promise<SharedFailure | undefined> {
    const now = this.clock.now();
    const record = this.#record(lease.key.id, now);
    if (record.lease?.owner !== lease.owner) return undefined;
    delete record.lease;
    const id = failureId(lease.key, report.scope);
    const inARow = (this.#failures.get(id)?.inARow ?? 0) + 1;
    const failure = { report, inARow, untilMs: now + coolingMs(report.cooling, inARow) };
    this.#failures.set(id, failure);
    this.#publish({ kind: 'failed', id, generation: lease.generation });
    // The key's own waiters listen under the key's id, whatever the failure's scope.
    if (id !== lease.key.id) this.#publish({ kind: 'failed', id: lease.key.id, generation: lease.generation });
    return asShared(failure, now);
  }

  async seed(key: TokenKey, token: StoredToken): Promise<SeedOutcome> {
    const now = this.clock.now();
    const record = this.#record(key.id, now);
    if (record.tokenGeneration >= token.generation) return 'kept';
    store(record, token.generation, token, now + token.remainingMs);
    this.#publish({ kind: 'token', id: key.id, generation: token.generation });
    return 'seeded';
  }

  async invalidate(key: TokenKey, generation: number, intervalMs: number): Promise<InvalidateOutcome> {
    const now = this.clock.now();
    const record = this.#record(key.id, now);
    if (!record.token || record.tokenGeneration !== generation) return 'not_current';
    if (record.invalidatedAtMs !== undefined && now - record.invalidatedAtMs < intervalMs) return 'too_soon';
    delete record.token;
    record.invalidatedAtMs = now;
    this.#publish({ kind: 'invalidated', id: key.id, generation });
    return 'invalidated';
  }

  async find(key: TokenKey): Promise<StoredToken | undefined> {
    const now = this.clock.now();
    return living(this.#record(key.id, now), now);
  }

  subscribe(listener: (message: StoreMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #publish(message: StoreMessage): void {
    for (const listener of this.#listeners) listener(message);
  }

  #coolingFailure(key: TokenKey, now: number): SharedFailure | undefined {
    for (const id of failureIds(key)) {
      const failure = this.#failures.get(id);
      if (failure && failure.untilMs > now) return asShared(failure, now);
    }
    return undefined;
  }

  #record(id: string, now: number): KeyRecord {
    let record = this.#keys.get(id);
    if (!record) {
      this.#sweep(now);
      record = { tokenGeneration: 0, leaseGeneration: 0 };
      this.#keys.set(id, record);
    }
    return record;
  }

  /** Forgets what has run out, each time the store has doubled: constant work per key on average. */
  #sweep(now: number): void {
    if (this.size < this.#sweepAtSize) return;
    for (const [id, { token, lease, invalidatedAtMs = -Infinity }] of this.#keys) {
      const alive = Math.max(token?.expiresAtMs ?? 0, lease?.expiresAtMs ?? 0, invalidatedAtMs + RETENTION_MS);
      if (alive <= now) this.#keys.delete(id);
    }
    for (const [id, { untilMs, report }] of this.#failures) {
      if (untilMs + report.cooling.maxMs <= now) this.#failures.delete(id);
    }
    this.#sweepAtSize = Math.max(1_000, 2 * this.size);
  }
}

/** How long an invalidation is remembered, so that late commits and repeated reports meet it. */
const RETENTION_MS = 60_000;

function failureId(key: TokenKey, scope: FailureReport['scope']): string {
  switch (scope) {
    case 'key':
      return key.id;
    case 'credentials':
      return key.credentialsId;
    case 'client':
      return key.clientId;
    default:
      return scope satisfies never;
  }
}

function failureIds(key: TokenKey): string[] {
  return [key.id, key.credentialsId, key.clientId];
}

function asShared({ report, untilMs }: FailureRecord, now: number): SharedFailure {
  return { code: report.code, message: report.message, scope: report.scope, remainingMs: untilMs - now };
}

function store(record: KeyRecord, generation: number, { token, lifeMs }: IssuedToken, expiresAtMs: number) {
  record.tokenGeneration = generation;
  return (record.token = { token, lifeMs, generation, expiresAtMs });
}

function living(record: KeyRecord | undefined, now: number): StoredToken | undefined {
  return record?.token && record.token.expiresAtMs > now ? asStored(record.token, now) : undefined;
}

function asStored({ token, lifeMs, generation, expiresAtMs }: NonNullable<KeyRecord['token']>, now: number) {
  return { token, lifeMs, generation, remainingMs: expiresAtMs - now };
}
