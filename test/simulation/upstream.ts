import { AccessToken, type IssuedToken, IssuerError, type TokenSubject } from '#token';

import type { World } from './world.js';

export interface UpstreamCall {
  readonly merchantVat: string | undefined;
  readonly atMs: number;
  isFailed: boolean;
}

/** MobilePay as the replicas meet it. Knows when each token really dies. */
export class SimulatedUpstream {
  readonly calls: UpstreamCall[] = [];
  readonly #diesAtMs = new Map<string, number>();
  #isDown = false;

  constructor(
    private readonly world: World,
    private readonly lifeMs: number,
  ) {}

  failFor(ms: number): void {
    this.#isDown = true;
    this.world.after(ms, () => {
      this.#isDown = false;
    });
  }

  async issue({ merchantVat }: TokenSubject): Promise<IssuedToken | IssuerError> {
    const call: UpstreamCall = { merchantVat, atMs: this.world.nowMs, isFailed: false };
    this.calls.push(call);
    const value = `token-${this.calls.length}`;
    await this.world.sleep(this.world.between(20, 300));
    if (this.#isDown) {
      call.isFailed = true;
      return new IssuerError('upstream_unavailable', 'simulated');
    }
    this.#diesAtMs.set(value, this.world.nowMs + this.lifeMs);
    await this.world.sleep(this.world.between(20, this.world.random() < 0.1 ? 9_000 : 500));
    return { token: new AccessToken(value, 'Bearer', undefined), lifeMs: this.lifeMs };
  }

  /** Life that a token really has left, in ms. */
  leftMs(token: AccessToken): number {
    return (this.#diesAtMs.get(token.reveal()) ?? 0) - this.world.nowMs;
  }
}
