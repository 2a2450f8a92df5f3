/** What a sealed value is for, and so what it holds. */
export type Purpose = 'vault' | 'backup' | 'token' | 'session';

/** The number of a form: the one that this version writes, and the newest that it reads. */
export interface Format {
  readonly writes: number;
  readonly reads: number;
}

/** Clients and callers, wherever they stand: in a store, in a backup, and, as `format`, in a mounted file. */
const RECORDS: Format = { writes: 1, reads: 1 };

/**
 * The forms of all that is sealed. Another version of the broker may run on the same stores: what it wrote in a newer form
 * than this one reads is as if it was not there. Read a new form in one release, write it in the next: ADR 19.
 */
export const FORMATS: Readonly<Record<Purpose, Format>> = {
  vault: RECORDS,
  backup: RECORDS,
  token: { writes: 1, reads: 1 },
  session: { writes: 1, reads: 1 },
};
