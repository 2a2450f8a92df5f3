import { Agenda } from './agenda.js';
import { within } from './clock.js';
import { DrainingError, IssuerError, RefreshBusyError, StoreAwayError } from './errors.js';
import { diesAtMs, type Entry, newEntry, refuseIfCooling, refuseIfTooYoung, uselessAtMs } from './entry.js';
import type { RefreshCause } from './events.js';
import { type HeldToken, seedAll } from './held-token.js';
import type { TokenKey, TokenSubject } from './key.js';
import { Census, type Overview } from './overview.js';
import { refreshAfterMs, SPARE_LIFE_MS } from './policy.js';
import type { Origin, StoreNews } from './ports.js';
import { type ObtainedToken, Refresher, type RefresherParts, type RefreshRequest } from './refresher.js';
import { RenewalQueue } from './renewal-queue.js';

/** After a renewal ahead that came to nothing, such as one without a store: how long until the next, in ms; ± 20 %. */
const REST_MS = 5_000;

/** Hands out tokens from memory, and sees that memory is refreshed once however many ask. */
export class TokenBroker {
  readonly #parts: RefresherParts;
  readonly #refresher: Refresher;
  readonly #entries = new Map<string, Entry>();
  readonly #agenda: Agenda<Entry>;
  readonly #renewals = new RenewalQueue((entry) => this.#renewIfDue(entry));
  readonly #census: Census;
  readonly #unsubscribe: () => void;
  #closed = false;

  constructor(parts: RefresherParts) {
    this.#parts = parts;
    this.#refresher = new Refresher(parts);
    this.#agenda = new Agenda(parts.clock, (entry) => this.#onDue(entry));
    this.#census = new Census(this.#entries, parts.policy, parts.clock);
    this.#unsubscribe = parts.store.subscribe((news) => this.#onNews(news));
  }

  /**
   * The hot path: a token in memory with at least `minValidityMs`, and never less than the safety margin, of life
   * left. No I/O, no promise. An expiring token is answered and renewed behind the caller's back.
   */
  find(key: TokenKey, minValidityMs: number): HeldToken | undefined {
    const entry = this.#entries.get(key.id);
    const held = entry?.held;
    if (!held) return undefined;
    const now = this.#parts.clock.now();
    if (held.expiresAtMs - now < this.#needed(minValidityMs)) return undefined;
    if (entry.key !== key) this.#renameEntry(entry, key);
    entry.asked = true;
    const isDue = now >= held.refreshAtMs && now >= (entry.restUntilMs ?? -Infinity);
    if (isDue && !entry.flight) this.#renewals.add(entry);
    return held;
  }

  /**
   * Returns a token with at least `minValidityMs`, and never less than the safety margin, of life left, refreshing
   * if need be. A caller who stops waiting does not stop the refresh.
   * @param origin goes along with a refresh that this sets off
   * @throws IssuerError              the upstream refused or failed, now or a moment ago; `code` says which
   * @throws RefreshBusyError         nobody finished within `waitBudgetMs`
   * @throws ValidityUnavailableError a token just refreshed has less life than asked for
   * @throws DrainingError            the broker is closed
   */
  async get(key: TokenKey, minValidityMs: number, origin?: Origin): Promise<HeldToken> {
    const { clock, policy } = this.#parts;
    const deadlineMs = clock.now() + policy.waitBudgetMs;
    const neededMs = this.#needed(minValidityMs);
    let held = this.find(key, minValidityMs);
    while (!held || held.expiresAtMs - clock.now() < neededMs) {
      if (this.#closed) throw new DrainingError();
      const entry = this.#entry(key);
      if (entry.key !== key) this.#renameEntry(entry, key);
      refuseIfTooYoung(entry, policy, clock.now());
      refuseIfCooling(entry, clock.now());
      const wanted = { haveGeneration: 0, minRemainingMs: neededMs, spareMs: 0, origin };
      entry.flight ??= this.#fly(entry, { cause: 'demand', ...wanted });
      const tooLate = () => new RefreshBusyError(policy.waitBudgetMs);
      // A renewal ahead gives up while the store is away; for a caller who joined it, the next flight does not.
      held = await within(clock, deadlineMs - clock.now(), entry.flight.catch(undefinedIfAway), tooLate);
    }
    return held;
  }

  /**
   * Drops a token that the upstream no longer accepts, everywhere, if it is still the current one.
   * @returns whether it was dropped; false as well if another was dropped less than `forcedRefreshIntervalMs` ago
   */
  async invalidate(key: TokenKey, tokenId: string): Promise<boolean> {
    const { store, policy, onEvent } = this.#parts;
    const held = this.#entries.get(key.id)?.held;
    // By what is known of it, and not by opening it: a newer version may have sealed it.
    const current =
      held?.token.tokenId === tokenId
        ? held
        : await store
            .inspect(key)
            .then(({ token }) => (token?.tokenId === tokenId ? token : undefined), undefinedIfAway);
    if (!current) return false;
    const outcome = await store.invalidate(key, current.generation, policy.forcedRefreshIntervalMs);
    // If it is not current there, what is held here is wrong in any case.
    if (outcome !== 'too_soon') this.#drop(key.id, current.generation);
    onEvent({ kind: 'invalidation', key, tokenId, outcome });
    return outcome === 'invalidated';
  }

  /** Lets go of all keys that will not be asked for again, such as those of a replaced secret. */
  forget(isStale: (subject: TokenSubject) => boolean): void {
    for (const [id, entry] of this.#entries) {
      if (!isStale(entry.key.subject)) continue;
      this.#agenda.delete(entry);
      this.#entries.delete(id);
    }
  }

  /**
   * Ends every timer, waits for the refreshes under way, and gives the leases of those back that take longer. Tokens in
   * memory are still handed out; nothing is refreshed any more.
   * @param limitMs how long to wait
   */
  async close(limitMs = 0): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    this.#agenda.clear();
    this.#renewals.clear();
    const flights = [...this.#entries.values()].flatMap(({ flight }) => flight ?? []);
    const done = Promise.allSettled(flights);
    await within(this.#parts.clock, limitMs, done, () => new DrainingError()).catch(() => this.#refresher.releaseAll());
  }

  /** What this replica holds of a key, in memory. */
  inspect(key: TokenKey): { held: HeldToken | undefined; isRefreshing: boolean; failure: IssuerError | undefined } {
    const { held, flight, failure } = this.#entries.get(key.id) ?? {};
    const isCooling = failure !== undefined && failure.untilMs > this.#parts.clock.now();
    return { held, isRefreshing: flight !== undefined, failure: isCooling ? failure.error : undefined };
  }

  /** What this replica holds, in numbers. A few seconds old if it holds many keys. */
  overview(): Overview {
    return this.#census.overview;
  }

  #needed(minValidityMs: number): number {
    const { safetyMarginMs } = this.#parts.policy;
    return minValidityMs > safetyMarginMs ? minValidityMs : safetyMarginMs;
  }

  #entry(key: TokenKey): Entry {
    let entry = this.#entries.get(key.id);
    if (!entry) this.#entries.set(key.id, (entry = newEntry(key)));
    return entry;
  }

  /** Under another name for its credentials, a failure of the old one is of no more use. */
  #renameEntry(entry: Entry, key: TokenKey): void {
    if (entry.key.credentialsId !== key.credentialsId && entry.failure?.error.scope === 'credentials') {
      entry.failure = undefined;
      entry.restUntilMs = undefined;
    }
    entry.key = key;
  }

  /** It may have waited in line meanwhile. */
  #renewIfDue(entry: Entry): Promise<unknown> | undefined {
    const isKnown = this.#entries.get(entry.key.id) === entry;
    if (!isKnown || entry.flight || this.#parts.clock.now() < (entry.held?.refreshAtMs ?? Infinity)) return undefined;
    return this.#renewAhead(entry);
  }

  /** @returns when it has ended, well or not; undefined if it is of no use now */
  #renewAhead(entry: Entry): Promise<unknown> | undefined {
    const { held } = entry;
    const { clock, policy, originAhead } = this.#parts;
    const now = clock.now();
    if (!held || this.#closed || now < (entry.restUntilMs ?? -Infinity)) return undefined;
    const spareMs = Math.max(0, held.expiresAtMs - now - SPARE_LIFE_MS);
    const minRemainingMs = policy.safetyMarginMs;
    const wanted = { haveGeneration: held.generation, minRemainingMs, spareMs, origin: originAhead?.() };
    entry.flight = this.#fly(entry, { cause: 'ahead', ...wanted });
    // Nobody waits for it: its failure has been reported and is in the entry.
    return entry.flight.catch(() => {});
  }

  async #fly(entry: Entry, request: RefreshRequest): Promise<HeldToken> {
    const flight = this.#refresher.obtain(entry.key, request).then(
      (obtained) => this.#remember(entry, obtained, request.cause),
      (error: unknown) => this.#rememberFailure(entry, error),
    );
    try {
      return await flight;
    } finally {
      entry.flight = undefined;
      this.#watch(entry);
      if (entry.asked) this.#renewals.add(entry);
    }
  }

  #remember(entry: Entry, { stored, asOfMs, source, wasThere }: ObtainedToken, cause: RefreshCause): HeldToken {
    const { policy, random } = this.#parts;
    // In whole ms, the shorter life: small integers cost nothing beside the object that they stand in.
    const expiresAtMs = Math.floor(asOfMs + stored.remainingMs);
    const startedAtMs = Math.floor(expiresAtMs - stored.lifeMs);
    const refreshAtMs = Math.floor(startedAtMs + refreshAfterMs(policy, stored.lifeMs, random()));
    entry.failure = undefined;
    entry.restUntilMs = undefined;
    // Whoever takes over what another replica has renewed asks for it after its renewal.
    entry.asked = wasThere && cause === 'demand';
    const { token, generation } = stored;
    return (entry.held = { token, generation, startedAtMs, refreshAtMs, expiresAtMs, source });
  }

  #rememberFailure(entry: Entry, error: unknown): never {
    const { clock, random } = this.#parts;
    if (error instanceof IssuerError) {
      entry.failure = { error, untilMs: clock.now() + (error.retryAfterMs ?? 0) };
      entry.restUntilMs = entry.failure.untilMs;
    } else {
      entry.restUntilMs = clock.now() + REST_MS * (0.8 + 0.4 * random());
    }
    throw error;
  }

  /** When to look at the entry again: to renew it ahead, to try that again, or to forget what is of no more use. */
  #watch(entry: Entry): void {
    this.#agenda.delete(entry);
    if (this.#closed || this.#entries.get(entry.key.id) !== entry) return;
    const now = this.#parts.clock.now();
    const renewAtMs = Math.max(entry.held?.refreshAtMs ?? Infinity, entry.restUntilMs ?? -Infinity);
    const isToBeRenewed = now < renewAtMs && renewAtMs < diesAtMs(entry, this.#parts.policy);
    const nextAtMs = isToBeRenewed ? renewAtMs : uselessAtMs(entry, this.#parts.policy);
    this.#agenda.set(entry, Math.max(0, nextAtMs - now));
  }

  #onDue(entry: Entry): void {
    if (entry.flight) return;
    if (this.#parts.clock.now() >= uselessAtMs(entry, this.#parts.policy)) {
      this.#entries.delete(entry.key.id);
      return;
    }
    if (entry.asked) this.#renewals.add(entry);
    if (!entry.flight) this.#watch(entry);
  }

  #onNews(news: StoreNews): void {
    if (news.kind === 'back' || news.kind === 'stale') {
      this.#refresher.wakeAll();
      void this.#reconcile();
      return;
    }
    const { kind, id, generation } = news;
    this.#refresher.wake(id);
    switch (kind) {
      case 'invalidated':
        this.#drop(id, generation);
        break;
      case 'token':
        this.#follow(id, generation);
        break;
      case 'failed':
        break;
      default:
        kind satisfies never;
    }
  }

  /** The store may have lost its data: it gets what is held here. Or news was lost: what it has dropped is dropped. */
  async #reconcile(): Promise<void> {
    try {
      await seedAll(this.#parts, this.#entries.values(), (id, generation) => this.#drop(id, generation));
    } catch (error) {
      // Away again: what is left will be seeded when it is back.
      if (!(error instanceof StoreAwayError)) this.#parts.onEvent({ kind: 'fault', error });
    }
  }

  #drop(id: string, generation: number): void {
    const entry = this.#entries.get(id);
    if (entry?.held && entry.held.generation <= generation) entry.held = undefined;
  }

  /** Another replica renewed a token that is in use here: take it over. */
  #follow(id: string, generation: number): void {
    const entry = this.#entries.get(id);
    if (!entry?.held || entry.held.generation >= generation || entry.flight || !entry.asked) return;
    entry.failure = undefined;
    entry.restUntilMs = undefined;
    void this.#renewAhead(entry);
  }
}

function undefinedIfAway(error: unknown): undefined {
  if (!(error instanceof StoreAwayError)) throw error;
}
