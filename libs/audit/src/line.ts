import { hash } from 'node:crypto';

/** What a line says besides its place in the chain. Names in snake_case; never a secret. */
export type AuditFields = Readonly<Record<string, unknown>>;

/** A line of the trail, as it was read. */
export interface AuditLine {
  /** Counts the lines of its chain, from 1. */
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  /** The chain's random id: one for each start of a process. */
  readonly chain: string;
  readonly replica: string;
  /** Such as `token.given`. */
  readonly event: string;
  /** The hash of the line before in the same chain; of a chain's first line: of the last line in the file, if any. */
  readonly prev: string | null;
  /** SHA-256 of a piece of a line that stands before this one: a crash left it there. */
  readonly torn: string | undefined;
  readonly hash: string;
  /** Whether the line still has the hash that it was written with. */
  readonly intact: boolean;
  /** Everything that it says, the members above included. */
  readonly fields: AuditFields;
}

/** The event of each chain's first line. */
export const STARTED = 'audit.started';
const BEGINNING = '{"seq":';
const HASH_MEMBER = ',"hash":"';
const HASH = /^[\w-]{43}$/;
/** `,"hash":"…"}` with a hash of 43 characters. */
const END_BYTES = HASH_MEMBER.length + 43 + 2;

/** SHA-256, base64url, 43 characters. */
export function hashOf(content: Uint8Array | string): string {
  return hash('sha256', content, 'base64url');
}

/** Ends a line with the hash of all that stands before the hash, byte for byte.
 *  @param content JSON of one object */
export function withHash(content: string): { readonly line: string; readonly hash: string } {
  const open = content.slice(0, -1);
  const sum = hashOf(open);
  return { line: `${open}${HASH_MEMBER}${sum}"}`, hash: sum };
}

/** @param bytes a line without its line break
 *  @returns undefined if it is no line of a trail, or not a whole one */
export function readLine(bytes: Buffer): AuditLine | undefined {
  const end = bytes.subarray(-END_BYTES).toString('latin1');
  if (!looksLikeLine(bytes) || !end.startsWith(HASH_MEMBER) || !end.endsWith('"}')) return undefined;
  const fields = parsed(bytes);
  if (!fields) return undefined;
  const { seq, at, chain, replica, event, prev, torn, hash: sum } = fields;
  if (!Number.isSafeInteger(seq) || Number(seq) < 1 || !isHash(sum)) return undefined;
  if (![at, chain, replica, event].every((each) => typeof each === 'string')) return undefined;
  if ((prev !== null && !isHash(prev)) || (torn !== undefined && !isHash(torn))) return undefined;
  return {
    seq: Number(seq),
    at: String(at),
    chain: String(chain),
    replica: String(replica),
    event: String(event),
    prev,
    torn,
    hash: sum,
    intact: hashOf(bytes.subarray(0, -END_BYTES)) === sum,
    fields,
  };
}

/** Whether it was a line of a trail once: no other line of a log begins or ends like that. */
export function looksLikeLine(bytes: Buffer): boolean {
  return bytes.subarray(0, BEGINNING.length).toString('latin1') === BEGINNING || bytes.includes(HASH_MEMBER);
}

export function isHash(value: unknown): value is string {
  return typeof value === 'string' && HASH.test(value);
}

function parsed(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
