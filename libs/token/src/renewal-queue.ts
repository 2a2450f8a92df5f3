import type { Entry } from './entry.js';
import { MOST_CALLS_PER_CLIENT } from './policy.js';

interface Line {
  readonly waiting: Set<Entry>;
  running: number;
}

/**
 * Renewals ahead, by client: no more at once than may call the upstream at once, the others in line, first come first
 * served. Not the taking over of what another replica has renewed, which calls nobody. Without it, all that is due after an outage or a start would ask the store for its turn again and again.
 */
export class RenewalQueue {
  readonly #lines = new Map<string, Line>();

  /** @param start begins a renewal, if there is still need of one, and tells when it has ended; must not fail */
  constructor(private readonly start: (entry: Entry) => Promise<unknown> | undefined) {}

  /** At once, if there is room. */
  add(entry: Entry): void {
    const { clientId } = entry.key;
    let line = this.#lines.get(clientId);
    if (!line) this.#lines.set(clientId, (line = { waiting: new Set(), running: 0 }));
    line.waiting.add(entry);
    this.#advance(clientId, line);
  }

  clear(): void {
    for (const { waiting } of this.#lines.values()) waiting.clear();
  }

  #advance(clientId: string, line: Line): void {
    for (const entry of line.waiting) {
      if (line.running >= MOST_CALLS_PER_CLIENT) return;
      line.waiting.delete(entry);
      const renewal = this.start(entry);
      if (!renewal) continue;
      line.running += 1;
      void renewal.finally(() => {
        line.running -= 1;
        this.#advance(clientId, line);
      });
    }
    if (line.running === 0) this.#lines.delete(clientId);
  }
}
