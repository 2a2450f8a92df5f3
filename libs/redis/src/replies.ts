import {
  breakerReport,
  ISSUER_ERROR_CODES,
  type InvalidateOutcome,
  type KeyReport,
  type RenewOutcome,
  type SeedOutcome,
  type SharedFailure,
  type StoredToken,
  type TokenSubject,
  type UpstreamReport,
} from '#token';

export type SealedToken = Omit<StoredToken, 'token'> & { readonly sealed: string; readonly redisNowMs: number };

/** The scripts are ours: a reply of another shape is a defect, or of another version, and nothing to guess at. */
export class Reply {
  readonly #parts: readonly unknown[];
  #at = 0;

  constructor(reply: unknown) {
    if (!Array.isArray(reply)) throw unexpected(reply);
    this.#parts = reply;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#parts.length;
  }

  text(): string {
    const part = this.#parts[this.#at++];
    if (typeof part !== 'string') throw unexpected(part);
    return part;
  }

  number(): number {
    const part = this.#parts[this.#at++];
    if (typeof part !== 'number') throw unexpected(part);
    return part;
  }

  list(): Reply {
    return new Reply(this.#parts[this.#at++]);
  }

  token(): SealedToken {
    return {
      sealed: this.text(),
      generation: this.number(),
      lifeMs: this.number(),
      remainingMs: this.number(),
      redisNowMs: this.number(),
    };
  }

  failure(scope: SharedFailure['scope'] | undefined): SharedFailure {
    const [written, message] = [this.text(), this.text()];
    const read = scope ?? (this.text() === 'client' ? 'client' : 'credentials');
    // A newer version may know more of them. That nobody is to call for now holds in any case.
    const code = ISSUER_ERROR_CODES.find((each) => each === written) ?? 'upstream_unavailable';
    return { code, message, scope: read, remainingMs: this.number() };
  }
}

export type EntryReply =
  | { readonly kind: 'entered' }
  | { readonly kind: 'failed'; readonly failure: SharedFailure }
  | { readonly kind: 'full' | 'open'; readonly remainingMs: number };

export function readEntry(reply: unknown): EntryReply {
  const parts = new Reply(reply);
  const kind = parts.text();
  switch (kind) {
    case 'entered':
      return { kind };
    case 'failed':
      return { kind, failure: parts.failure(undefined) };
    case 'full':
    case 'open':
      return { kind, remainingMs: parts.number() };
    default:
      throw unexpected(kind);
  }
}

export const readRenewal = oneOf<RenewOutcome>('renewed', 'lost', 'superseded');
export const readSeeding = oneOf<SeedOutcome>('seeded', 'kept', 'invalidated');
export const readInvalidation = oneOf<InvalidateOutcome>('invalidated', 'not_current', 'too_soon');

/** @returns undefined if nothing is known of the key, or nothing that this version can read */
export function readKeyReport(reply: unknown): KeyReport | undefined {
  const parts = new Reply(reply);
  if (parts.isEmpty) return undefined;
  const subject = subjectFrom(parts.text());
  if (!subject) return undefined;
  const [remainingMs, tokenId, generation, lifeMs] = [parts.number(), parts.text(), parts.number(), parts.number()];
  const refreshedBy = parts.text() || undefined;
  const lease = { remainingMs: parts.number(), owner: parts.text(), generation: parts.number() };
  const cooling = parts.number();
  const [code, message, inARow] = [parts.text(), parts.text(), parts.number()];
  const failure = new Reply([code, message, cooling]);
  return {
    subject,
    token: remainingMs > 0 ? { tokenId, generation, lifeMs, remainingMs, refreshedBy } : undefined,
    lease: lease.remainingMs > 0 ? lease : undefined,
    failure: cooling > 0 ? { ...failure.failure('key'), inARow } : undefined,
  };
}

export function readUpstreamReport(reply: unknown): UpstreamReport {
  const parts = new Reply(reply);
  const heldBack = parts.list();
  const [calls, failures, remainingMs] = [parts.number(), parts.number(), parts.number()];
  return {
    heldBack: heldBack.isEmpty ? undefined : heldBack.failure(undefined),
    calls,
    breaker: breakerReport(failures, remainingMs),
  };
}

/** @returns undefined if it is no JSON */
export function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a token is for, as whatever version wrote it down. */
function subjectFrom(json: string): TokenSubject | undefined {
  const subject: Partial<Record<keyof TokenSubject, unknown>> = Object(readJson(json));
  const { credentialGeneration } = subject;
  const [environment, tokenUrl, client] = [subject.environment, subject.tokenUrl, subject.client].map(textOf);
  if (environment === undefined || tokenUrl === undefined || client === undefined) return undefined;
  if (typeof credentialGeneration !== 'number') return undefined;
  return {
    environment,
    tokenUrl,
    client,
    credentialGeneration,
    credentialState: textOf(subject.credentialState),
    merchantVat: textOf(subject.merchantVat),
    scope: textOf(subject.scope),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function oneOf<T extends string>(...known: readonly T[]): (reply: unknown) => T {
  return (reply) => {
    const found = known.find((each) => each === reply);
    if (found === undefined) throw unexpected(reply);
    return found;
  };
}

function unexpected(part: unknown): Error {
  return new Error(`a script answered ${typeof part} where that cannot be`);
}
