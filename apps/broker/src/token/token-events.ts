import { Injectable, Logger } from '@nestjs/common';

import type { TokenEvent } from '#token';

/** What the core reports, for whoever listens. */
@Injectable()
export class TokenEvents {
  readonly #log = new Logger('token');
  readonly #listeners = new Set<(event: TokenEvent) => void>();

  readonly emit = (event: TokenEvent): void => {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // Whoever listens must not break what it hears of.
        this.#log.error({ event: 'internal_error', error });
      }
    }
  };

  subscribe(listener: (event: TokenEvent) => void): void {
    this.#listeners.add(listener);
  }
}
