import { Injectable } from '@nestjs/common';

import type { TokenEvent } from '#token';

/** What the core reports, for whoever listens. */
@Injectable()
export class TokenEvents {
  readonly #listeners = new Set<(event: TokenEvent) => void>();

  readonly emit = (event: TokenEvent): void => {
    for (const listener of this.#listeners) listener(event);
  };

  subscribe(listener: (event: TokenEvent) => void): void {
    this.#listeners.add(listener);
  }
}
