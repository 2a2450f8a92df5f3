export type RepeatedLevel = 'warn' | 'error';
export type Line = Readonly<Record<string, unknown>>;

/** How long the same line is counted before that becomes one line, in ms. */
const WINDOW_MS = 60_000;
/** Kinds of lines counted at once. What is more is counted by its event alone, of which there are few. */
const MOST_KINDS = 100;
/** What makes two lines of one event different ones, besides the code: what it is about, and never how it went. */
const ABOUT = ['client', 'issuer', 'holds', 'record'] as const;
/** Which event says that what another one complains of is over. */
const ENDS: Readonly<Record<string, string>> = {
  token_refreshed: 'token_failed',
  redis_back: 'redis_away',
  jwks_back: 'jwks_unreachable',
  jwks_changed: 'jwks_unreachable',
  tls_reloaded: 'tls_unreadable',
  settings_reloaded: 'settings_unusable',
  settings_unchanged: 'settings_unusable',
  audit_written_again: 'audit_unwritable',
};

interface Kind {
  readonly level: RepeatedLevel;
  readonly timer: NodeJS.Timeout;
  /** As it was written. */
  readonly first: Line;
  /** Many kinds together. */
  readonly isMixed: boolean;
  /** The last one that was not written. */
  last: Line;
  /** How many were not written. */
  count: number;
  /** What is over need not be over for good: it is said once, or a failure every other time would write all. */
  isToldOver: boolean;
}

/** Writes the first of the same warnings or errors at once, and then how many there were: when a minute is over, or
 *  before that if what failed is well again. An outage at 1000 failures a second must not write 1000 lines a second. */
export class Repeats {
  readonly #kinds = new Map<string, Kind>();

  constructor(private readonly write: (level: RepeatedLevel, line: Line) => void) {}

  note(level: RepeatedLevel, line: Line): void {
    const own = idOf(level, line);
    const isMixed = !this.#kinds.has(own) && this.#kinds.size >= MOST_KINDS;
    const id = isMixed ? JSON.stringify([level, line['room'], line['event']]) : own;
    const known = this.#kinds.get(id);
    if (known) {
      known.count += 1;
      known.last = line;
      return;
    }
    const timer = setTimeout(() => this.#end(id), WINDOW_MS).unref();
    this.#kinds.set(id, { level, timer, first: line, isMixed, last: line, count: 0, isToldOver: false });
    this.write(level, line);
  }

  /** Hears of every line: one may say that something is well again. */
  hear(line: Line): void {
    const over = ENDS[String(line['event'])];
    if (over === undefined) return;
    for (const kind of this.#kinds.values()) {
      if (kind.isMixed || kind.isToldOver || kind.count === 0 || kind.first['event'] !== over) continue;
      if (ABOUT.some((name) => kind.first[name] !== line[name])) continue;
      kind.isToldOver = true;
      this.#tell(kind);
    }
  }

  /** Writes what was counted so far. */
  flush(): void {
    for (const id of this.#kinds.keys()) this.#end(id);
  }

  #end(id: string): void {
    const kind = this.#kinds.get(id);
    if (!kind) return;
    this.#kinds.delete(id);
    clearTimeout(kind.timer);
    if (kind.count > 0) this.#tell(kind);
  }

  #tell(kind: Kind): void {
    const { level, last, isMixed, count } = kind;
    kind.count = 0;
    this.write(
      level,
      isMixed ? { room: last['room'], event: last['event'], repeated: count } : { ...last, repeated: count },
    );
  }
}

function idOf(level: RepeatedLevel, line: Line): string {
  const { room, event, msg, error } = line;
  const what = line['code'] ?? line['reason'] ?? line['callers'] ?? line['settings'];
  return JSON.stringify([level, room, event, what, msg, placeOf(error), ...ABOUT.map((name) => line[name])]);
}

/** Where an error was thrown: its message may differ each time. */
function placeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const frames = (error.stack ?? '').split('\n').map((line) => line.trim());
  return `${error.name} ${frames.find((line) => line.startsWith('at ')) ?? error.message}`;
}
