import type { Clock } from './clock.js';
import { StoreAwayError } from './errors.js';
import type { TokenKey } from './key.js';
import { MemoryTokenStore } from './memory-token-store.js';
import { HOLD_OFF_MS } from './policy.js';
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
  StoreNews,
  TokenStore,
  UpstreamReport,
} from './ports.js';

/** Nobody has looked for so long whether the store is still away that it is not certain any more, in ms. */
const STALE_MS = 1_500;

/**
 * A shared store that may go away, and what a replica does meanwhile: wait out the grace, once per outage; then
 * coordinate with itself alone. When the shared store is back, tokens got alone are put into it.
 */
export class FailoverTokenStore implements TokenStore {
  /** Made anew for each outage: what one replica decided alone must not outlive it. */
  #own: MemoryTokenStore | undefined;
  /** The shared store's clock less ours, in ms, as the last lease told it. */
  #offsetMs = 0;
  #backAtMs = -Infinity;
  /** Tokens reported as bad while the store was away, by key. */
  readonly #reported = new Map<string, { key: TokenKey; generation: number; atMs: number }>();

  constructor(
    private readonly shared: TokenStore,
    private readonly clock: Clock,
    private readonly graceMs: number,
  ) {
    shared.subscribe((news) => {
      if (news.kind === 'back') this.#welcomeBack();
    });
  }

  async acquire(key: TokenKey, request: AcquireRequest): Promise<AcquireOutcome> {
    try {
      return await this.#acquireShared(key, request);
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      const { sinceMs, confirmedAtMs } = error;
      const now = this.clock.now();
      // What was not seen after the grace may have ended within it; and a process that was stopped knows only of an
      // outage of long ago.
      const isCertain = confirmedAtMs >= sinceMs + this.graceMs && now - confirmedAtMs <= STALE_MS;
      if (!isCertain) return { kind: 'busy', remainingMs: Math.max(STALE_MS, sinceMs + this.graceMs - now) };
      if (request.spareMs > 0) throw error;
      return this.#acquireAlone(key, request);
    }
  }

  async renew(lease: Lease, leaseMs: number): Promise<RenewOutcome> {
    if (!lease.alone) return this.shared.renew(lease, leaseMs);
    // When the outage is over there is nobody to lose it to.
    return this.#own ? this.#own.renew(lease, leaseMs) : 'renewed';
  }

  async commit(lease: Lease, issued: IssuedToken): Promise<CommitOutcome> {
    if (lease.alone) return this.#commitAlone(lease, issued, lease.alone.grantedAtMs);
    try {
      return await this.shared.commit(lease, issued);
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      // The token is good. Whoever holds it in memory seeds it when the store is back.
      return this.#alone.commit(lease, issued);
    }
  }

  async fail(lease: Lease, report: FailureReport): Promise<SharedFailure | undefined> {
    if (lease.alone) return this.#own?.fail(lease, report);
    try {
      return await this.shared.fail(lease, report);
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      // Known here at least; the others try when the lease has run out.
      return undefined;
    }
  }

  async release(lease: Lease): Promise<void> {
    await (lease.alone ? this.#own : this.shared)?.release(lease);
  }

  now(): Promise<number> {
    return this.shared.now();
  }

  seed(key: TokenKey, token: StoredToken, asOfMs: number): Promise<SeedOutcome> {
    return this.shared.seed(key, token, asOfMs);
  }

  /** While the store is away the report is believed here, and passed on when it is back. */
  async invalidate(key: TokenKey, generation: number, intervalMs: number): Promise<InvalidateOutcome> {
    try {
      return await this.shared.invalidate(key, generation, intervalMs);
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      const now = this.clock.now();
      const before = this.#reported.get(key.id);
      if (before && now - before.atMs < intervalMs) return 'too_soon';
      await this.#own?.invalidate(key, generation, 0);
      this.#reported.set(key.id, { key, generation, atMs: now });
      return 'invalidated';
    }
  }

  async find(key: TokenKey): Promise<StoredToken | undefined> {
    // Away, nobody knows of any but our own.
    return (await this.#own?.find(key)) ?? this.shared.find(key).catch(unlessAway);
  }

  inspect(key: TokenKey): Promise<KeyReport> {
    return this.shared.inspect(key);
  }

  inspectUpstream(key: TokenKey): Promise<UpstreamReport> {
    return this.shared.inspectUpstream(key);
  }

  list(query: ReportQuery): Promise<ReportPage> {
    return this.shared.list(query);
  }

  subscribe(listener: (news: StoreNews) => void): () => void {
    return this.shared.subscribe(listener);
  }

  /** Just after an outage the store may have lost its data: a cold key waits for whoever still holds its token. */
  async #acquireShared(key: TokenKey, request: AcquireRequest): Promise<AcquireOutcome> {
    const holdOffMs = this.#backAtMs + HOLD_OFF_MS - this.clock.now();
    if (holdOffMs > 0) {
      const token = await this.shared.find(key);
      return token && token.generation > request.haveGeneration && token.remainingMs >= request.minRemainingMs
        ? { kind: 'hit', token }
        : { kind: 'busy', remainingMs: holdOffMs };
    }
    const askedAtMs = this.clock.now();
    const outcome = await this.shared.acquire(key, request);
    // From before the question: at worst it seems later than it is, and tokens seem older.
    if (outcome.kind === 'lead') this.#offsetMs = outcome.lease.grantedAtMs - askedAtMs;
    return outcome;
  }

  async #acquireAlone(key: TokenKey, request: AcquireRequest): Promise<AcquireOutcome> {
    const grantedAtMs = this.clock.now();
    const outcome = await this.#alone.acquire(key, request);
    return outcome.kind === 'lead' ? { kind: 'lead', lease: { ...outcome.lease, alone: { grantedAtMs } } } : outcome;
  }

  /** Its clock runs like the shared store's, so that generations keep growing across the outage. */
  get #alone(): MemoryTokenStore {
    const { clock } = this;
    const offsetMs = this.#offsetMs;
    this.#own ??= new MemoryTokenStore({
      now: () => clock.now() + offsetMs,
      schedule: (delayMs, action) => clock.schedule(delayMs, action),
    });
    return this.#own;
  }

  /** The outage may have ended while this replica called: then the token goes where all can see it. */
  async #commitAlone(lease: Lease, issued: IssuedToken, grantedAtMs: number): Promise<CommitOutcome> {
    if (this.#own) return this.#own.commit(lease, issued);
    const asOfMs = await this.shared.now().catch(unlessAway);
    const remainingMs = grantedAtMs + issued.lifeMs - this.clock.now();
    const token = { ...issued, generation: lease.generation, remainingMs };
    if (asOfMs !== undefined) await this.shared.seed(lease.key, token, asOfMs).catch(unlessAway);
    return { kind: 'stored', token };
  }

  /** Again with the next recovery, if the store has gone away once more. */
  async #passOn(key: TokenKey, generation: number): Promise<void> {
    const outcome = await this.shared.invalidate(key, generation, 0).catch(unlessAway);
    if (outcome !== undefined && this.#reported.get(key.id)?.generation === generation) this.#reported.delete(key.id);
  }

  #welcomeBack(): void {
    this.#own = undefined;
    this.#backAtMs = this.clock.now();
    for (const { key, generation } of this.#reported.values()) void this.#passOn(key, generation);
  }
}

function unlessAway(error: unknown): undefined {
  if (!(error instanceof StoreAwayError)) throw error;
}
