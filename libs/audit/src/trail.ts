import { type AuditLine, hashOf, looksLikeLine, readLine, STARTED } from './line.js';
import { LineSplitter } from './line-splitter.js';

/**
 * - `changed`: the line is not as it was written, or only a part of it
 * - `alien`: it is no line of a trail
 * - `missing`: lines of its chain are missing before it
 * - `repeated`: it stands there twice, or behind a later one
 * - `broken`: it was written after another line than the one that stands before it in its chain
 * - `beginning`: its chain begins in the middle, or after a line that is not there
 * - `torn`: it records a piece of a line before it that is not there
 * - `torn_end`: the last line is cut short: by a crash, or by somebody
 * - `anchor`: a line that must be there is not
 */
export type TrailProblemKind =
  'changed' | 'alien' | 'missing' | 'repeated' | 'broken' | 'beginning' | 'torn' | 'torn_end' | 'anchor';

export interface TrailProblem {
  readonly kind: TrailProblemKind;
  /** Empty, and line 0, for what stands nowhere. */
  readonly file: string;
  /** From 1, in that file. */
  readonly line: number;
  readonly detail: string;
}

export interface ChainSummary {
  readonly chain: string;
  readonly replica: string;
  readonly lines: number;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly lastSeq: number;
  /** An anchor: kept elsewhere, it shows later whether the end was cut off. */
  readonly lastHash: string;
}

export interface Verdict {
  readonly isFine: boolean;
  readonly lines: number;
  /** Lines that are none of a trail, where they may stand between. */
  readonly ignored: number;
  readonly firstAt: string | undefined;
  readonly lastAt: string | undefined;
  readonly chains: readonly ChainSummary[];
  /** The first 100. */
  readonly problems: readonly TrailProblem[];
  readonly problemCount: number;
}

export interface TrailOptions {
  /** Hashes of lines in earlier files, after which chains may begin here. */
  readonly after?: readonly string[];
  /** Hashes of lines that must be there. */
  readonly expect?: readonly string[];
  /** Whether other lines may stand between, such as an application's log. Default false. */
  readonly mixed?: boolean;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

const MOST_PROBLEMS = 100;

/** Checks a trail as it is read. Memory grows with the number of chains, not of lines. */
export class Trail {
  readonly #after: ReadonlySet<string>;
  readonly #missed: Set<string>;
  readonly #isMixed: boolean;
  readonly #chains = new Map<string, Mutable<ChainSummary>>();
  /** The last hash of each chain. */
  readonly #heads = new Set<string>();
  readonly #problems: TrailProblem[] = [];
  #problemCount = 0;
  #lines = 0;
  #ignored = 0;
  #splitter = new LineSplitter();
  #file = '';
  #number = 0;
  #before: { readonly bytes: Buffer; readonly problem: TrailProblem | undefined } | undefined;

  constructor({ after = [], expect = [], mixed = false }: TrailOptions = {}) {
    this.#after = new Set(after);
    this.#missed = new Set(expect);
    this.#isMixed = mixed;
  }

  /** Begins a file: the next part of the trail. */
  begin(file: string): void {
    this.#file = file;
    this.#number = 0;
    this.#splitter = new LineSplitter();
  }

  push(piece: Buffer): void {
    this.#splitter.push(piece, (line) => this.#take(line));
  }

  /** Ends a file. */
  end(): void {
    const rest = this.#splitter.rest();
    const isOurs = rest && !(this.#isMixed && !looksLikeLine(rest));
    if (isOurs && readLine(rest)?.intact) this.#take(rest);
    this.#judge(undefined);
    this.#before = undefined;
    if (!isOurs) return;
    const detail = 'the last line is cut short: by a crash that no start has recorded yet, or by somebody';
    this.#report(this.#problem('torn_end', detail, readLine(rest)?.intact ? this.#number : this.#number + 1));
  }

  /** After the last file. */
  verdict(): Verdict {
    const chains = [...this.#chains.values()];
    for (const hash of this.#missed) {
      this.#report({ kind: 'anchor', file: '', line: 0, detail: `the line with the hash ${hash} is not there` });
    }
    this.#missed.clear();
    return {
      isFine: this.#problemCount === 0,
      lines: this.#lines,
      ignored: this.#ignored,
      firstAt: chains.map(({ firstAt }) => firstAt).toSorted()[0],
      lastAt: chains
        .map(({ lastAt }) => lastAt)
        .toSorted()
        .at(-1),
      chains,
      problems: this.#problems,
      problemCount: this.#problemCount,
    };
  }

  #take(bytes: Buffer): void {
    this.#number += 1;
    const line = readLine(bytes);
    this.#judge(line);
    if (line?.intact) {
      this.#before = { bytes, problem: undefined };
      this.#lines += 1;
      this.#missed.delete(line.hash);
    } else if (this.#isMixed && !looksLikeLine(bytes)) {
      this.#before = undefined;
      this.#ignored += 1;
    } else {
      const problem = looksLikeLine(bytes)
        ? this.#problem('changed', 'the line is not as it was written, or only a part of one')
        : this.#problem('alien', 'this is no line of an audit trail');
      this.#before = { bytes, problem };
    }
    if (line) this.#follow(line);
  }

  /** What is wrong with the line before counts, unless this one records it as torn by a crash. */
  #judge(line: AuditLine | undefined): void {
    const isRecorded = this.#before !== undefined && line?.intact === true && line.torn === hashOf(this.#before.bytes);
    if (this.#before?.problem && !isRecorded) this.#report(this.#before.problem);
    // Between other lines, one of those may have joined the piece.
    if (line?.intact && line.torn !== undefined && !isRecorded && !this.#isMixed) {
      this.#report(this.#problem('torn', 'a torn line is said to stand before it, and is not there'));
    }
  }

  /** Checks a line's place. One whose content was changed still keeps the place of its number. */
  #follow(line: AuditLine): void {
    const { seq, prev, chain, intact } = line;
    const known = this.#chains.get(chain);
    // A changed line is reported already, and its number may be what was changed.
    if (!intact) {
      if (known && seq === known.lastSeq + 1) this.#advance(known, line);
      return;
    }
    if (!known) {
      this.#open(line);
      return;
    }
    const expected = known.lastSeq + 1;
    if (seq < expected) {
      this.#report(this.#problem('repeated', `no. ${seq} of chain ${chain} stands twice, or behind a later one`));
      return;
    }
    if (seq > expected) {
      const gap = seq - 1 === expected ? `no. ${expected}` : `no. ${expected} to ${seq - 1}`;
      this.#report(this.#problem('missing', `${gap} of chain ${chain} should stand before no. ${seq}`));
    } else if (prev !== known.lastHash) {
      this.#report(this.#problem('broken', `no. ${seq} of chain ${chain} was written after another no. ${seq - 1}`));
    }
    this.#advance(known, line);
  }

  #open(line: AuditLine): void {
    const { seq, prev, chain, replica, at, event } = line;
    const follows = prev !== null && (this.#after.has(prev) || (seq === 1 && this.#heads.has(prev)));
    if (seq > 1 && !follows) {
      const detail = `chain ${chain} begins here with no. ${seq}: give the files before, or --after ${prev ?? '<hash>'}`;
      this.#report(this.#problem('beginning', detail));
    } else if (seq === 1 && prev !== null && !follows) {
      const detail = `it was written after a line that is not there: give the files before, or --after ${prev}`;
      this.#report(this.#problem('beginning', detail));
    } else if (seq === 1 && event !== STARTED) {
      this.#report(this.#problem('beginning', `chain ${chain} does not begin with ${STARTED}`));
    }
    const begun = { chain, replica, lines: 0, firstAt: at, lastAt: at, lastSeq: seq, lastHash: line.hash };
    this.#chains.set(chain, begun);
    this.#advance(begun, line);
  }

  #advance(chain: Mutable<ChainSummary>, { seq, at, hash }: AuditLine): void {
    this.#heads.delete(chain.lastHash);
    this.#heads.add(hash);
    chain.lines += 1;
    chain.lastSeq = seq;
    chain.lastAt = at;
    chain.lastHash = hash;
  }

  #problem(kind: TrailProblemKind, detail: string, line = this.#number): TrailProblem {
    return { kind, file: this.#file, line, detail };
  }

  #report(problem: TrailProblem): void {
    this.#problemCount += 1;
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push(problem);
  }
}
