import { Injectable } from '@nestjs/common';

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
  readonly #listeners = new Set<(call: UpstreamCall) => void>();

  readonly emit = (call: UpstreamCall): void => {
    for (const listener of this.#listeners) listener(call);
  };

  subscribe(listener: (call: UpstreamCall) => void): void {
    this.#listeners.add(listener);
  }
}
