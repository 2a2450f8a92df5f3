import { Injectable, Logger } from '@nestjs/common';

import type { IssuerErrorCode } from '#token';
import type { Environment } from '#vault';

/** One attempt at a grant. */
export interface UpstreamCall {
  /** Undefined for a token endpoint that is in no setting. */
  readonly environment: Environment | undefined;
  readonly result: 'ok' | IssuerErrorCode;
  /** What went wrong, in words that may be shown. */
  readonly detail: string | undefined;
  readonly tookMs: number;
}

/** What became of each call to MobilePay, for whoever listens. */
@Injectable()
export class UpstreamCalls {
  readonly #log = new Logger('upstream');
  readonly #listeners = new Set<(call: UpstreamCall) => void>();

  readonly emit = (call: UpstreamCall): void => {
    for (const listener of this.#listeners) {
      try {
        listener(call);
      } catch (error) {
        // Whoever listens must not break what it hears of.
        this.#log.error({ event: 'internal_error', error });
      }
    }
  };

  subscribe(listener: (call: UpstreamCall) => void): void {
    this.#listeners.add(listener);
  }
}
