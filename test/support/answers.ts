import { decodeJwt } from 'jose';

import type { RunningBroker } from './broker.js';
import type { RunningSandbox } from './sandbox.js';

/** What one caller got, and how long it took. */
export interface TimedAnswer {
  readonly broker: RunningBroker;
  /** 0 if the connection failed: the replica was killed. */
  readonly status: number;
  readonly json: Record<string, unknown>;
  readonly ms: number;
  /** The wall clock when it arrived. */
  readonly atMs: number;
}

export async function askOne(broker: RunningBroker, key: string, wanted: object): Promise<TimedAnswer> {
  const start = performance.now();
  const answer = await broker.token(key, wanted).catch(() => ({ status: 0, json: {} }));
  const { status, json } = answer;
  return { broker, status, json, ms: performance.now() - start, atMs: Date.now() };
}

/** What many callers got. */
export class Answers {
  constructor(readonly all: readonly TimedAnswer[]) {}

  /** Those of all replicas but one, such as the one that was killed. */
  without(broker: RunningBroker): Answers {
    return new Answers(this.all.filter((each) => each.broker !== broker));
  }

  of(broker: RunningBroker): Answers {
    return new Answers(this.all.filter((each) => each.broker === broker));
  }

  and(others: Answers): Answers {
    return new Answers([...this.all, ...others.all]);
  }

  get slowestMs(): number {
    return Math.round(Math.max(...this.all.map(({ ms }) => ms)));
  }

  get statuses(): number[] {
    return [...new Set(this.all.map(({ status }) => status))];
  }

  get tokenIds(): unknown[] {
    return [...new Set(this.all.map(({ json }) => json['token_id']))];
  }

  /** The same answer for everybody, but for what differs with the moment. */
  get kinds(): unknown[] {
    return [
      ...new Set(this.all.map(({ status, json }) => `${status} ${String(json['code'])} ${String(json['detail'])}`)),
    ];
  }

  /** Everybody got a token, none of them dead: by what the broker says, by the token's own claim, and by whether the
   *  upstream's other API takes it. */
  async expectAlive(sandbox: RunningSandbox, marginSeconds = 60): Promise<void> {
    expect(this.all.filter(({ status }) => status !== 200).map(({ status, json }) => ({ status, ...json }))).toEqual(
      [],
    );
    const tokens = new Map(this.all.map(({ json }) => [String(json['access_token']), json]));
    const expiries = new Map([...tokens.keys()].map((token) => [token, (decodeJwt(token).exp ?? 0) * 1_000]));
    for (const { json, atMs } of this.all) {
      expect(json['expires_in']).toBeGreaterThanOrEqual(marginSeconds);
      // The claim is in whole seconds, rounded down.
      const leftMs = (expiries.get(String(json['access_token'])) ?? 0) - atMs;
      expect(leftMs).toBeGreaterThanOrEqual((marginSeconds - 1) * 1_000);
    }
    for (const [token, { merchant_vat }] of tokens) {
      const header = { 'x-mobilepay-merchant-vat-number': String(merchant_vat) };
      expect(await sandbox.pointOfSale('stores', token, merchant_vat === undefined ? {} : header)).toMatchObject({
        status: 200,
      });
    }
  }
}
