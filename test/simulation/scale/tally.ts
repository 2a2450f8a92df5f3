/** What is counted. The steps first: what a replica asks of Redis, by how it ends, as they cost differently. */
export const STEPS = [
  'hit',
  'lead',
  'busy',
  'full',
  'failed',
  'renew',
  'commit',
  'late_commit',
  'fail',
  'other_step',
] as const;
export const COUNTS = [
  ...STEPS,
  'requests',
  'from_memory',
  'refused',
  'upstream_calls',
  'renewals_ahead',
  'duplicates',
  'messages',
  'deliveries',
  'wanted_deliveries',
] as const;

export type Step = (typeof STEPS)[number];
export type Count = (typeof COUNTS)[number];

/**
 * Round trips that `RedisTokenStore` makes for a step, one after another, and scripts that it runs by EVALSHA, two of
 * them at once where it can: `lead` is acquire, then enter and index; `full` gives the lease back by fail; `commit` is
 * commit, then leave and index; `renew` is renew and extend; `fail` is leave, then fail.
 * `npm run simulate` checks the scripts against a real Redis.
 */
export const COST: Readonly<Record<Step, { readonly roundTrips: number; readonly scripts: number }>> = {
  hit: { roundTrips: 1, scripts: 1 },
  lead: { roundTrips: 2, scripts: 3 },
  busy: { roundTrips: 1, scripts: 1 },
  full: { roundTrips: 3, scripts: 4 },
  failed: { roundTrips: 1, scripts: 1 },
  renew: { roundTrips: 1, scripts: 2 },
  commit: { roundTrips: 2, scripts: 3 },
  late_commit: { roundTrips: 2, scripts: 2 },
  fail: { roundTrips: 2, scripts: 2 },
  other_step: { roundTrips: 1, scripts: 1 },
};

/** Longest wait that is told apart, in ms. */
const LONGEST_MS = 20_000;

/** Counts by quarters of an hour. */
export class Tally {
  readonly #quarters: Readonly<Record<Count, Uint32Array>>;
  /** Requests by how many ms they waited; those answered from memory did not. */
  readonly #waits = new Uint32Array(LONGEST_MS + 1);

  constructor(
    private readonly nowMs: () => number,
    hours: number,
  ) {
    const quarters = Math.ceil(4 * hours) + 1;
    this.#quarters = Object.fromEntries(COUNTS.map((each) => [each, new Uint32Array(quarters)])) as Record<
      Count,
      Uint32Array
    >;
  }

  add(count: Count, by = 1): void {
    const quarters = this.#quarters[count];
    const at = Math.floor(this.nowMs() / QUARTER_MS);
    quarters[at] = (quarters[at] ?? 0) + by;
  }

  addWait(ms: number): void {
    const at = Math.min(LONGEST_MS, Math.round(ms));
    this.#waits[at] = this.#waits[at]! + 1;
  }

  total(count: Count): number {
    return this.#quarters[count].reduce((sum, each) => sum + each, 0);
  }

  quarters(count: Count): number[] {
    return [...this.#quarters[count]];
  }

  /** The wait that this share of the requests which waited did not exceed, in ms; 0 if none did. */
  wait(share: number): number {
    const all = this.#waits.reduce((sum, each) => sum + each, 0);
    let seen = 0;
    const at = this.#waits.findIndex((each) => (seen += each) >= share * all && seen > 0);
    return Math.max(0, at);
  }
}

export const QUARTER_MS = 900_000;
