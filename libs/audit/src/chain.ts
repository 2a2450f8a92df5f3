import { type AuditFields, STARTED, withHash } from './line.js';

export interface NextLine {
  /** With its line break. */
  readonly text: string;
  /** The line stands in the trail: the next one comes after it. */
  readonly accept: () => void;
}

/**
 * The lines of one process, each with the hash of the one before. Whoever changes, drops or swaps one has to write all
 * later ones anew. There is no key in it: that is possible for whoever may write the file, and shows only against a hash
 * that was kept elsewhere.
 */
export class AuditChain {
  #seq = 0;
  #last: string | null = null;

  /** @param id random, new with each start of a process */
  constructor(
    readonly id: string,
    readonly replica: string,
  ) {}

  /** The first line.
   *  @param after the hash of the last line in the file; null if there is none, or nobody knows */
  start(at: string, after: string | null, fields: AuditFields = {}): NextLine {
    return this.#line(at, STARTED, after, fields);
  }

  /** The next line. Until it is accepted, the next one takes its place.
   *  @param at ISO 8601 */
  next(at: string, event: string, fields: AuditFields = {}): NextLine {
    return this.#line(at, event, this.#last, fields);
  }

  #line(at: string, event: string, prev: string | null, fields: AuditFields): NextLine {
    const { id: chain, replica } = this;
    const seq = this.#seq + 1;
    const { line, hash } = withHash(JSON.stringify({ seq, at, chain, replica, event, ...fields, prev }));
    const accept = () => {
      this.#seq = seq;
      this.#last = hash;
    };
    return { text: `${line}\n`, accept };
  }
}
