import type { BoardEvent } from '#cluster';
import type { Clock } from '#token';

/** How long events of one kind are counted before what was left out is said, in ms. */
const WINDOW_MS = 60_000;
/** Kinds that are told apart at once; what is more is counted together. */
const MOST_KINDS = 100;
/** So many of what happens all day, in a window. */
const MOST_ROUTINE = 30;

export type Happening = Omit<BoardEvent, 'id' | 'replica'>;

interface Kind {
  passed: number;
  more: number;
  last: Happening;
}

/** Keeps a flood from washing everything else off the timeline: lets the first ones through, counts the others, and says
 *  after a minute how many they were. */
export class Repeats {
  readonly #kinds = new Map<string, Kind>();

  /** @param mostRefreshes so many of them pass in a window: of all that happens they are the most */
  constructor(
    private readonly clock: Clock,
    private readonly pass: (event: Happening) => void,
    private readonly mostRefreshes: () => number,
  ) {}

  note(event: Happening): void {
    const [wanted, most] = this.#ruleFor(event);
    const isOne = this.#kinds.has(wanted) || this.#kinds.size < MOST_KINDS;
    const name = isOne ? wanted : event.kind;
    const kind = this.#kinds.get(name) ?? this.#begin(name, event);
    kind.last = event;
    if (isOne && kind.passed < most) {
      kind.passed += 1;
      this.pass(event);
    } else {
      kind.more += 1;
    }
  }

  /** @returns what it is counted with, and how many of those pass */
  #ruleFor({ kind, client, merchant_vat, code }: Happening): readonly [name: string, most: number] {
    if (kind === 'failed') return [JSON.stringify([kind, client, merchant_vat, code]), 1];
    return [`routine ${kind}`, kind === 'refreshed' ? this.mostRefreshes() : MOST_ROUTINE];
  }

  #begin(name: string, last: Happening): Kind {
    const kind: Kind = { passed: 0, more: 0, last };
    this.#kinds.set(name, kind);
    this.clock.schedule(WINDOW_MS, () => {
      this.#kinds.delete(name);
      if (kind.more > 0) this.pass(summary(kind, name));
    });
    return kind;
  }
}

function summary({ more, last }: Kind, name: string): Happening {
  const times = `${more} more within a minute`;
  // Of one client and merchant if they were counted by them.
  if (name.startsWith('[')) {
    // Not how long the last one cools: that was told up to a minute too late.
    const { retry_after: _, ...told } = last;
    return { ...told, detail: told.detail === undefined ? times : `${told.detail} (${times})` };
  }
  return { kind: last.kind, detail: `${times}, of this and other clients` };
}
