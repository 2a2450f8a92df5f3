import {
  AccessToken,
  type AcquireOutcome,
  type AcquireRequest,
  BREAKER,
  breakerFailure,
  type Clock,
  type CommitOutcome,
  type FailureReport,
  type InvalidateOutcome,
  type IssuedToken,
  keyLabel,
  type KeyReport,
  type Lease,
  MOST_CALLS_PER_CLIENT,
  type RenewOutcome,
  type ReportPage,
  type ReportQuery,
  type SeedOutcome,
  type SharedFailure,
  StoreAwayError,
  type StoredToken,
  type StoreNews,
  type TokenKey,
  type TokenStore,
  type UpstreamReport,
  verdictOf,
} from '#token';
import { type Sealer, VaultError } from '#vault';

import type { Bus } from './bus.js';
import type { RedisLink } from './redis-link.js';
import {
  readEntry,
  readInvalidation,
  readKeyReport,
  readRenewal,
  readSeeding,
  readUpstreamReport,
  Reply,
  type SealedToken,
} from './replies.js';

import { runScript, type ScriptName } from './scripts.js';

/** How long a key under refresh is listed at least, in ms: as long as its failure may cool. */
const LISTED_MS = 900_000;
const PURPOSE = 'token' as const;

/** The store that all replicas share. Tokens are sealed before they reach Redis, each bound to its key and generation. */
export class RedisTokenStore implements TokenStore {
  constructor(
    private readonly link: RedisLink,
    private readonly bus: Bus,
    private readonly sealer: Sealer,
    /** Monotonic. */
    private readonly clock: Clock,
  ) {}

  async acquire(key: TokenKey, request: AcquireRequest): Promise<AcquireOutcome> {
    const { owner, leaseMs, haveGeneration, minRemainingMs } = request;
    const wanted = [owner, leaseMs, Math.floor(haveGeneration), Math.ceil(minRemainingMs), subjectOf(key)];
    const askedAtMs = this.clock.now();
    const reply = new Reply(await this.link.run('acquire', this.#name(key), ...wanted));
    switch (reply.text()) {
      case 'hit': {
        const found = reply.token();
        const token = await this.#open(key, found, askedAtMs);
        // What cannot be opened, or is older than Redis thinks, is of no use: a newer one takes its place. If a newer
        // version sealed it, that reads ours: one more call is all that comes of it (ADR 19).
        return token && token.remainingMs >= minRemainingMs
          ? { kind: 'hit', token }
          : this.acquire(key, { ...request, haveGeneration: found.generation });
      }
      case 'failed':
        return { kind: 'failed', failure: reply.failure('key') };
      case 'busy':
        return { kind: 'busy', remainingMs: reply.number() };
      default:
        return this.#enter({ key, owner, generation: reply.number(), grantedAtMs: reply.number() }, request);
    }
  }

  async renew({ key, owner, generation }: Lease, leaseMs: number): Promise<RenewOutcome> {
    const [, , calls, breaker] = this.link.keys.gate(key);
    const [outcome] = await Promise.all([
      this.link.run('renew', this.#name(key), owner, generation, leaseMs, subjectOf(key)),
      this.link.run('extend', calls, breaker, owner, leaseMs),
    ]);
    return readRenewal(outcome);
  }

  async commit({ key, owner, generation, grantedAtMs }: Lease, issued: IssuedToken): Promise<CommitOutcome> {
    const { token } = issued;
    const lifeMs = Math.floor(issued.lifeMs);
    const sealed = await this.#seal(key, generation, token);
    const askedAtMs = this.clock.now();
    const what = [owner, generation, grantedAtMs, lifeMs, sealed, token.tokenId, subjectOf(key)];
    const reply = new Reply(await this.link.run('commit', this.#name(key), ...what, this.link.keys.news, key.id));
    if (reply.text() === 'stored') {
      const remainingMs = reply.number();
      await Promise.all([this.#leave(key, owner, 'alive', true), this.#list(key, remainingMs)]);
      return { kind: 'stored', token: { token, lifeMs, generation, remainingMs } };
    }
    await this.#leave(key, owner, 'alive', false);
    const winner = reply.isEmpty ? undefined : await this.#open(key, reply.token(), askedAtMs);
    return { kind: 'superseded', token: winner };
  }

  async fail({ key, owner, generation }: Lease, report: FailureReport): Promise<SharedFailure | undefined> {
    const { code, message, scope, cooling } = report;
    const what = [code, message, Math.ceil(cooling.firstMs), Math.ceil(cooling.maxMs), cooling.stretch];
    const isWide = scope !== 'key';
    // The wider failure first: whoever is woken must find it.
    const heldMs = await this.#leave(key, owner, verdictOf(report), false, ...(isWide ? [scope, ...what] : []));
    const lease = [owner, generation, this.link.keys.news, key.id];
    const [kept] = await Promise.all([
      this.link.run('fail', this.#name(key), ...lease, ...(isWide ? [] : what)),
      this.#list(key, LISTED_MS),
    ]);
    const keptMs = Number(kept);
    if (keptMs === 0) return undefined;
    return { code, message, scope, remainingMs: isWide ? heldMs : keptMs };
  }

  async release(lease: Lease): Promise<void> {
    await this.#leave(lease.key, lease.owner, 'none', false);
    await this.#drop(lease, this.link.keys.news);
  }

  /** In a cluster, that of one master: they are kept within the safety margin of each other. */
  async now(): Promise<number> {
    return Number(await this.link.run('time', this.link.keys.labels[0]));
  }

  async seed(key: TokenKey, seeded: StoredToken, asOfMs: number): Promise<SeedOutcome> {
    const { token, lifeMs, generation, remainingMs } = seeded;
    const sealed = await this.#seal(key, generation, token);
    const lives = [Math.floor(remainingMs), asOfMs, Math.floor(lifeMs)];
    const what = [generation, ...lives, sealed, token.tokenId, subjectOf(key), this.link.keys.news, key.id];
    const reply = await this.link.run('seed', this.#name(key), ...what);
    const outcome = readSeeding(reply);
    if (outcome === 'seeded') await this.#list(key, remainingMs);
    return outcome;
  }

  async invalidate(key: TokenKey, generation: number, intervalMs: number): Promise<InvalidateOutcome> {
    const what = [generation, intervalMs, this.link.keys.news, key.id];
    return readInvalidation(await this.link.run('invalidate', this.#name(key), ...what));
  }

  async find(key: TokenKey): Promise<StoredToken | undefined> {
    const askedAtMs = this.clock.now();
    const reply = new Reply(await this.link.run('find', this.#name(key)));
    return reply.isEmpty ? undefined : this.#open(key, reply.token(), askedAtMs);
  }

  async inspect(key: TokenKey): Promise<KeyReport> {
    const reply = await this.#look('inspect', this.#name(key));
    return readKeyReport(reply) ?? { subject: key.subject, token: undefined, lease: undefined, failure: undefined };
  }

  async inspectUpstream(key: TokenKey): Promise<UpstreamReport> {
    return readUpstreamReport(await this.#look('inspect-upstream', ...this.link.keys.gate(key)));
  }

  async list({ after, client, limit }: ReportQuery): Promise<ReportPage> {
    const [labels] = this.link.keys.labels;
    const first = client === undefined ? '-' : `[${client} `;
    // A cursor of another list must not lead to keys of other clients.
    const from = after !== undefined && (client === undefined || after >= `${client} `) ? `(${after}` : first;
    // "!" follows the space that ends a client's name.
    const to = client === undefined ? '+' : `(${client}!`;
    const found = await this.link.ask(labels, (redis) => redis.zrangebylex(labels, from, to, 'LIMIT', 0, limit + 1));
    if (!found) throw this.#away();
    const page = found.slice(0, limit);
    const reports = await Promise.all(
      page.map(async (label) =>
        readKeyReport(await this.#look('inspect', this.#name({ id: label.slice(-ID_LENGTH) }))),
      ),
    );
    return {
      items: reports.filter((report) => report !== undefined),
      next: found.length > limit ? page.at(-1) : undefined,
    };
  }

  subscribe(listener: (news: StoreNews) => void): () => void {
    const ends = [
      this.link.subscribe((kind) => listener({ kind })),
      this.bus.subscribe((message) => {
        if (message.kind === 'resumed') listener({ kind: 'stale' });
        else if (message.kind !== 'credentials') listener(message);
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  /** For people: what they wait for too long must not keep tokens from Redis.
   *  @throws StoreAwayError */
  async #look(name: ScriptName, ...args: readonly [string, ...string[]]): Promise<unknown> {
    const reply = await this.link.ask(args[0], (client) => runScript(client, name, ...args));
    if (reply === undefined) throw this.#away();
    return reply;
  }

  #away(): StoreAwayError {
    const now = this.clock.now();
    const [{ sinceMs, reason } = { sinceMs: now, reason: 'no answer in time' }] = this.link.outages;
    return new StoreAwayError(sinceMs, now, reason);
  }

  /** The lease is ours; now the way to the upstream. If it is barred, the lease is given back. */
  async #enter(lease: Lease, { leaseMs, haveGeneration }: AcquireRequest): Promise<AcquireOutcome> {
    const { key, owner } = lease;
    const gate = this.link.keys.gate(key);
    const [reply] = await Promise.all([
      this.link.run('enter', ...gate, owner, leaseMs, MOST_CALLS_PER_CLIENT, BREAKER.failures),
      // What is renewed ahead was listed when its token was stored, for as long as that lives.
      haveGeneration === 0 && this.#list(key, LISTED_MS),
    ]);
    const entry = readEntry(reply);
    switch (entry.kind) {
      case 'entered':
        return { kind: 'lead', lease };
      case 'failed':
        await this.#drop(lease);
        return entry;
      case 'open':
        await this.#drop(lease);
        return { kind: 'failed', failure: breakerFailure(entry.remainingMs) };
      case 'full':
        await this.#drop(lease);
        return { kind: 'busy', remainingMs: entry.remainingMs };
      default:
        return entry satisfies never;
    }
  }

  /** @returns for how long the failure given holds the client or its credentials back, in ms */
  async #leave(
    key: TokenKey,
    owner: string,
    verdict: ReturnType<typeof verdictOf>,
    forgive: boolean,
    ...failure: readonly (string | number)[]
  ): Promise<number> {
    const { failures, firstMs, maxMs } = BREAKER;
    const what = [owner, verdict, forgive ? 1 : 0, failures, firstMs, maxMs, ...failure];
    return Number(await this.link.run('leave', ...this.link.keys.gate(key), ...what));
  }

  /** @param channel where to tell it; nowhere if empty */
  async #drop({ key, owner, generation }: Lease, channel = ''): Promise<void> {
    await this.link.run('fail', this.#name(key), owner, generation, channel, key.id);
  }

  async #list(key: TokenKey, forMs: number): Promise<void> {
    await this.link.run('index', ...this.link.keys.labels, keyLabel(key), Math.ceil(forMs));
  }

  #name(key: Pick<TokenKey, 'id'>): string {
    return this.link.keys.token(key);
  }

  #seal(key: TokenKey, generation: number, token: AccessToken): Promise<string> {
    const plaintext = JSON.stringify([token.reveal(), token.tokenType, token.scope]);
    return this.sealer.seal(plaintext, { purpose: PURPOSE, record: key.id, version: generation });
  }

  /** @returns undefined if it has no life left, or was sealed by a newer version, or under another master key */
  async #open(key: TokenKey, told: SealedToken, askedAtMs: number): Promise<StoredToken | undefined> {
    const { sealed, generation, lifeMs } = told;
    const remainingMs = this.link.lifeLeft(this.#name(key), told, askedAtMs);
    if (remainingMs <= 0) return undefined;
    try {
      const place = { purpose: PURPOSE, record: key.id, version: generation };
      const token = readToken(await this.sealer.open(sealed, place));
      return token && { token, generation, lifeMs, remainingMs };
    } catch (error) {
      if (error instanceof VaultError) return undefined;
      throw error;
    }
  }
}

/** @returns undefined if it is not what `#seal` writes */
function readToken(plaintext: string): AccessToken | undefined {
  const parts: unknown = JSON.parse(plaintext);
  const [value, type, scope]: unknown[] = Array.isArray(parts) ? parts : [];
  if (typeof value !== 'string' || typeof type !== 'string') return undefined;
  return new AccessToken(value, type, typeof scope === 'string' ? scope : undefined);
}

/** SHA-256 in base64url. */
const ID_LENGTH = 43;

function subjectOf({ subject }: TokenKey): string {
  return JSON.stringify(subject);
}
