import type { Clock } from './clock.js';
import { keyLabel, type TokenKey, type TokenSubject } from './key.js';
import type {
  AcquireOutcome,
  AcquireRequest,
  CommitOutcome,
  FailureReport,
  InvalidateOutcome,
  IssuedToken,
  KeyReport,
  Lease,
  RenewOutcome,
  ReportPage,
  ReportQuery,
  SeedOutcome,
  SharedFailure,
  StoredToken,
  StoreMessage,
  StoreNews,
  TokenStore,
  UpstreamReport,
} from './ports.js';
import { asShared, type FailureRecord, nextFailure, UpstreamGate, verdictOf } from './upstream-gate.js';

interface KeyRecord {
  readonly subject: TokenSubject;
  readonly label: string;
  token?: IssuedToken & { generation: number; expiresAtMs: number; refreshedBy: string | undefined };
  /** Of the newest token ever stored, kept when it is dropped: late commits must lose. */
  tokenGeneration: number;
  lease?: { owner: string; generation: number; expiresAtMs: number };
  leaseGeneration: number;
  failure?: FailureRecord;
  /** Remembered as long as the token would have lived: nobody may put it back. */
  invalidated?: { generation: number; atMs: number; untilMs: number };
}

/** How long an invalidation is remembered at least, so that repeated reports meet it. */
const RETENTION_MS = 60_000;
const LONGEST_LIFE_MS = 86_400_000;

/** The store of one process: for a single replica, and what the shared stores are measured against. */
export class MemoryTokenStore implements TokenStore {
  readonly #keys = new Map<string, KeyRecord>();
  readonly #gate = new UpstreamGate();
  readonly #listeners = new Set<(news: StoreNews) => void>();
  #sweepAtSize = 1_000;

  constructor(readonly clock: Clock) {}

  /** How many keys and failures are remembered. */
  get size(): number {
    return this.#keys.size + this.#gate.size;
  }

  async acquire(key: TokenKey, request: AcquireRequest): Promise<AcquireOutcome> {
    const now = this.clock.now();
    const record = this.#record(key, now);
    const token = living(record, now);
    if (token && token.generation > request.haveGeneration && token.remainingMs >= request.minRemainingMs) {
      return { kind: 'hit', token };
    }
    if (record.failure && record.failure.untilMs > now) {
      return { kind: 'failed', failure: asShared(record.failure, now) };
    }
    const lease = record.lease && record.lease.expiresAtMs > now ? record.lease : undefined;
    if (lease && lease.owner !== request.owner) return { kind: 'busy', remainingMs: lease.expiresAtMs - now };
    const entry = this.#gate.enter(key, request.owner, request.leaseMs, now);
    if (entry.kind === 'full') return { kind: 'busy', remainingMs: entry.remainingMs };
    if (entry.kind === 'failed') return entry;
    const generation =
      lease?.generation ?? Math.max(Math.floor(now * 1_000), record.tokenGeneration + 1, record.leaseGeneration + 1);
    record.lease = { owner: request.owner, generation, expiresAtMs: now + request.leaseMs };
    record.leaseGeneration = generation;
    return { kind: 'lead', lease: { key, owner: request.owner, generation, grantedAtMs: now } };
  }

  async renew({ key, owner, generation }: Lease, leaseMs: number): Promise<RenewOutcome> {
    const now = this.clock.now();
    const record = this.#record(key, now);
    if (record.tokenGeneration >= generation) return 'superseded';
    const other = record.lease;
    if (other && other.expiresAtMs > now && other.owner !== owner) return 'lost';
    record.lease = { owner, generation, expiresAtMs: now + leaseMs };
    record.leaseGeneration = Math.max(record.leaseGeneration, generation);
    this.#gate.extend(key, owner, leaseMs, now);
    return 'renewed';
  }

  async commit(lease: Lease, issued: IssuedToken): Promise<CommitOutcome> {
    const { key, owner, generation } = lease;
    const now = this.clock.now();
    const record = this.#record(key, now);
    if (record.lease?.owner === owner) delete record.lease;
    this.#gate.leave(key, owner, 'alive', now);
    if (record.tokenGeneration >= generation) {
      const token = living(record, now);
      return token?.generation === generation ? { kind: 'stored', token } : { kind: 'superseded', token };
    }
    const expiresAtMs = lease.grantedAtMs + issued.lifeMs;
    record.token = { ...issued, generation, expiresAtMs, refreshedBy: owner };
    record.tokenGeneration = generation;
    delete record.failure;
    this.#gate.forgive(key);
    this.#publish({ kind: 'token', id: key.id, generation });
    return { kind: 'stored', token: asStored(record.token, now) };
  }

  async fail({ key, owner, generation }: Lease, report: FailureReport): Promise<SharedFailure | undefined> {
    const now = this.clock.now();
    const record = this.#record(key, now);
    this.#gate.leave(key, owner, verdictOf(report), now);
    if (record.lease?.owner !== owner) return undefined;
    delete record.lease;
    const failure =
      report.scope === 'key'
        ? (record.failure = nextFailure(record.failure, report, now))
        : this.#gate.hold(key, report, now);
    this.#publish({ kind: 'failed', id: key.id, generation });
    return asShared(failure, now);
  }

  async release({ key, owner, generation }: Lease): Promise<void> {
    const now = this.clock.now();
    const record = this.#record(key, now);
    this.#gate.leave(key, owner, 'none', now);
    if (record.lease?.owner !== owner) return;
    delete record.lease;
    this.#publish({ kind: 'failed', id: key.id, generation });
  }

  async now(): Promise<number> {
    return this.clock.now();
  }

  async seed(key: TokenKey, seeded: StoredToken, asOfMs: number): Promise<SeedOutcome> {
    const { token, lifeMs, generation, remainingMs } = seeded;
    const now = this.clock.now();
    const expiresAtMs = Math.min(now, asOfMs) + remainingMs;
    if (expiresAtMs <= now) return 'kept';
    const record = this.#record(key, now);
    if ((record.invalidated?.generation ?? -1) >= generation) return 'invalidated';
    const isSame = record.tokenGeneration === generation && !living(record, now);
    if (record.tokenGeneration >= generation && !isSame) return 'kept';
    record.token = { token, lifeMs, generation, expiresAtMs, refreshedBy: undefined };
    record.tokenGeneration = generation;
    this.#publish({ kind: 'token', id: key.id, generation });
    return 'seeded';
  }

  async invalidate(key: TokenKey, generation: number, intervalMs: number): Promise<InvalidateOutcome> {
    const now = this.clock.now();
    const record = this.#record(key, now);
    if (record.tokenGeneration > generation || (record.tokenGeneration === generation && !record.token)) {
      return 'not_current';
    }
    if (record.invalidated && now - record.invalidated.atMs < intervalMs) return 'too_soon';
    // A store that has lost the token keeps in mind that it is bad as well, for as long as one may live.
    const livesUntilMs = record.tokenGeneration === generation ? record.token?.expiresAtMs : now + LONGEST_LIFE_MS;
    record.invalidated = { generation, atMs: now, untilMs: Math.max(now + RETENTION_MS, livesUntilMs ?? 0) };
    record.tokenGeneration = generation;
    delete record.token;
    this.#publish({ kind: 'invalidated', id: key.id, generation });
    return 'invalidated';
  }

  async find(key: TokenKey): Promise<StoredToken | undefined> {
    return living(this.#keys.get(key.id), this.clock.now());
  }

  async inspect(key: TokenKey): Promise<KeyReport> {
    return reportOf(key.subject, this.#keys.get(key.id), this.clock.now());
  }

  async inspectUpstream(key: TokenKey): Promise<UpstreamReport> {
    return this.#gate.report(key, this.clock.now());
  }

  /** Sorts all keys for each page: right for what one process holds. */
  async list({ after = '', client, limit }: ReportQuery): Promise<ReportPage> {
    const now = this.clock.now();
    const found = [...this.#keys.values()]
      .filter((record) => record.label > after && (client === undefined || record.subject.client === client))
      .filter((record) => aliveUntil(record) > now)
      .toSorted((a, b) => (a.label < b.label ? -1 : 1));
    const page = found.slice(0, limit);
    return {
      items: page.map((record) => reportOf(record.subject, record, now)),
      next: found.length > limit ? page.at(-1)?.label : undefined,
    };
  }

  subscribe(listener: (news: StoreNews) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #publish(message: StoreMessage): void {
    for (const listener of this.#listeners) listener(message);
  }

  #record(key: TokenKey, now: number): KeyRecord {
    let record = this.#keys.get(key.id);
    if (!record) {
      this.#sweep(now);
      record = { subject: key.subject, label: keyLabel(key), tokenGeneration: 0, leaseGeneration: 0 };
      this.#keys.set(key.id, record);
    }
    return record;
  }

  /** Forgets what has run out, each time the store has doubled: constant work per key on average. */
  #sweep(now: number): void {
    if (this.size < this.#sweepAtSize) return;
    for (const [id, record] of this.#keys) if (aliveUntil(record) <= now) this.#keys.delete(id);
    this.#gate.sweep(now);
    this.#sweepAtSize = Math.max(1_000, 2 * this.size);
  }
}

/** Until when a record means anything. A failure is remembered for longer than it cools: the next one in a row counts. */
function aliveUntil({ token, lease, failure, invalidated }: KeyRecord): number {
  return Math.max(
    token?.expiresAtMs ?? -Infinity,
    lease?.expiresAtMs ?? -Infinity,
    failure ? failure.untilMs + failure.report.cooling.maxMs : -Infinity,
    invalidated?.untilMs ?? -Infinity,
  );
}

function reportOf(subject: TokenSubject, record: KeyRecord | undefined, now: number): KeyReport {
  const token = living(record, now);
  const { lease, failure } = record ?? {};
  return {
    subject,
    token: token && {
      tokenId: token.token.tokenId,
      generation: token.generation,
      lifeMs: token.lifeMs,
      remainingMs: token.remainingMs,
      refreshedBy: record?.token?.refreshedBy,
    },
    lease:
      lease && lease.expiresAtMs > now
        ? { owner: lease.owner, generation: lease.generation, remainingMs: lease.expiresAtMs - now }
        : undefined,
    failure: failure && failure.untilMs > now ? { ...asShared(failure, now), inARow: failure.inARow } : undefined,
  };
}

function living(record: KeyRecord | undefined, now: number): StoredToken | undefined {
  return record?.token && record.token.expiresAtMs > now ? asStored(record.token, now) : undefined;
}

function asStored({ token, lifeMs, generation, expiresAtMs }: NonNullable<KeyRecord['token']>, now: number) {
  return { token, lifeMs, generation, remainingMs: expiresAtMs - now };
}
