import { Logger } from '@nestjs/common';

import { FakeClock, settle } from '../../../../test/support/fake-clock.js';
import { aSigningKey } from '../../../../test/support/jwt-issuer.js';
import type { JwtIssuerConfig } from '../config/broker-config.js';
import { JwksKeys } from './jwks-keys.js';

const SECOND = 1_000;
const MINUTE = 60_000;

const bodyWith = (...kids: string[]) => JSON.stringify({ keys: kids.map((kid) => ({ ...jwk, kid })) });
const jwk = aSigningKey().publicKey.export({ format: 'jwk' });
let clock: FakeClock;
let keys: JwksKeys;
let fetches: number;
let answer: (signal: AbortSignal) => Promise<string>;

beforeAll(() => Logger.overrideLogger(false));
beforeEach(() => {
  clock = new FakeClock();
  fetches = 0;
  answer = () => Promise.resolve(bodyWith('one'));
  keys = new JwksKeys({ issuer: 'https://issuer.example' } as JwtIssuerConfig, clock, (_, signal) => {
    fetches += 1;
    return answer(signal);
  });
});
afterEach(() => keys.stop());

async function isKnown(kid: string): Promise<boolean> {
  try {
    await keys.find({ alg: 'RS256', kid }, { payload: '', signature: '' });
    return true;
  } catch {
    return false;
  }
}
const away = () => Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }));
async function ask(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => isKnown(`unknown-${i}`)));
}

describe('the keys of an issuer', () => {
  it('are fetched at the start and every five minutes, and one that is gone counts no more', async () => {
    keys.start();
    await settle();
    expect([await isKnown('one'), fetches, keys.generation]).toEqual([true, 1, 1]);
    await clock.advance(5 * MINUTE);
    expect([fetches, keys.generation]).toEqual([2, 1]);
    answer = () => Promise.resolve(bodyWith('two'));
    await clock.advance(5 * MINUTE);
    expect([await isKnown('two'), keys.generation]).toEqual([true, 2]);
    expect(await isKnown('one')).toBe(false);
  });

  it('are fetched no more once it stops', async () => {
    keys.start();
    keys.stop();
    await clock.advance(60 * MINUTE);
    expect([fetches, clock.pendingTimers]).toEqual([1, 0]);
  });

  it('are waited for by who comes while they are fetched first', async () => {
    keys.start();
    expect([await isKnown('one'), fetches]).toEqual([true, 1]);
  });

  it('go on counting without end while it is away, or answers nonsense', async () => {
    keys.start();
    await settle();
    answer = away;
    await clock.advance(24 * 60 * MINUTE);
    expect(await isKnown('one')).toBe(true);
    for (const nonsense of ['', 'null', '[]', '{}', '{"keys":1}', '{"keys":[1]}', '<html>']) {
      answer = () => Promise.resolve(nonsense);
      await clock.advance(5 * MINUTE);
      expect([await isKnown('one'), keys.generation]).toEqual([true, 1]);
    }
    answer = () => Promise.resolve('{"keys":[]}');
    await clock.advance(5 * MINUTE);
    expect([await isKnown('one'), keys.generation]).toEqual([false, 2]);
  });
});

describe('unknown keys', () => {
  it('have one fetch made for all of them, and the next after 30 s', async () => {
    keys.start();
    await settle();
    for (let i = 0; i < 3; i += 1) await ask(200);
    expect(fetches).toBe(2);
    await clock.advance(29 * SECOND);
    await ask(200);
    expect(fetches).toBe(2);
    answer = () => Promise.resolve(bodyWith('one', 'two'));
    await clock.advance(SECOND);
    expect([await isKnown('two'), fetches]).toEqual([true, 3]);
  });

  it('while it is away, have one fetch made after 5, 10, 20, and then each 30 s', async () => {
    answer = away;
    const times: number[] = [];
    for (let second = 0; second <= 130; second += 1) {
      const before = fetches;
      await ask(20);
      if (fetches > before) times.push(second);
      await clock.advance(SECOND);
    }
    expect(times).toEqual([0, 5, 15, 35, 65, 95, 125]);
    answer = () => Promise.resolve(bodyWith('one'));
    await clock.advance(30 * SECOND);
    expect(await isKnown('one')).toBe(true);
  });

  it('wait 3 s at most while it does not answer, and those known wait for nothing', async () => {
    keys.start();
    await settle();
    answer = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      });
    const waiting = isKnown('two');
    await settle();
    expect(await isKnown('one')).toBe(true);
    await clock.advance(3 * SECOND);
    expect(await waiting).toBe(false);
  });
});
