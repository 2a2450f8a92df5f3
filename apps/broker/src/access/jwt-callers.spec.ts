import { Logger } from '@nestjs/common';

import type { Vault } from '#vault';

import { badJwts } from '../../../../test/support/bad-jwts.js';
import { AUDIENCE, RunningIssuer, signed } from '../../../../test/support/jwt-issuer.js';
import { eventually } from '../../../../test/support/processes.js';
import { openVault, putCaller } from '../../../../test/support/vault.js';
import type { BrokerConfig, JwtIssuerConfig } from '../config/broker-config.js';
import { JWT_ALGORITHMS } from '../config/jwt-issuers-file.js';
import { JwtCallers } from './jwt-callers.js';

const realNow = Date.now;
const NOW_SECONDS = Math.floor(realNow() / 1_000);
let nowMs: number;
let issuer: RunningIssuer;
let vault: Vault;
let callers: JwtCallers;

function configOf(more: Partial<JwtIssuerConfig> = {}): JwtIssuerConfig {
  return {
    issuer: issuer.name,
    audiences: [AUDIENCE],
    jwksUrl: issuer.url,
    jwksCaFile: undefined,
    jwksTokenFile: undefined,
    algorithms: JWT_ALGORITHMS,
    callers: [{ caller: 'till', subject: 'system:serviceaccount:shops:till', claims: {} }],
    ...more,
  };
}

function jwtCallersOf(more: Partial<JwtIssuerConfig> = {}): JwtCallers {
  return new JwtCallers(vault, { jwtIssuers: [configOf(more)] } as Partial<BrokerConfig> as BrokerConfig);
}

beforeAll(async () => {
  Logger.overrideLogger(false);
  issuer = await RunningIssuer.start();
  ({ vault } = await openVault());
});
beforeEach(async () => {
  nowMs = NOW_SECONDS * 1_000;
  Date.now = () => nowMs;
  await putCaller(vault, 'till');
  callers = jwtCallersOf();
});
afterEach(() => {
  callers.onModuleDestroy();
  Date.now = realNow;
});

const token = (more: object = {}) => issuer.token(more, NOW_SECONDS);

describe('a JWT', () => {
  it('speaks for the caller of the vault that its subject stands for, at once when it was seen before', async () => {
    const jwt = token();
    const first = callers.authenticate(jwt);
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toMatchObject({ name: 'till', roles: ['token'] });
    const { fetches } = issuer;
    // The keys were empty when it came in, so that one is verified once more.
    await callers.authenticate(jwt);
    expect(callers.authenticate(jwt)).toBe(vault.findCaller('till'));
    expect(issuer.fetches).toBe(fetches);
  });

  it('speaks for a caller as it is now, and no more for one that is gone', async () => {
    const jwt = token();
    for (let i = 0; i < 2; i += 1) await callers.authenticate(jwt);
    await putCaller(vault, 'till', ['ops']);
    expect(callers.authenticate(jwt)).toMatchObject({ roles: ['ops'] });
    await vault.changeCaller('till', () => undefined);
    expect(callers.authenticate(jwt)).toBeUndefined();
    expect(await callers.authenticate(token())).toBeUndefined();
  });

  it('counts until 30 s after its exp, when it was seen before too', async () => {
    const jwt = token({ exp: NOW_SECONDS + 60 });
    for (let i = 0; i < 2; i += 1) await callers.authenticate(jwt);
    nowMs += 89_999;
    expect(callers.authenticate(jwt)).toMatchObject({ name: 'till' });
    nowMs += 1;
    expect(await callers.authenticate(jwt)).toBeUndefined();
  });

  it.each([
    [{ exp: NOW_SECONDS - 29 }, 'till'],
    [{ exp: NOW_SECONDS - 30 }, undefined],
    [{ nbf: NOW_SECONDS + 30 }, 'till'],
    [{ nbf: NOW_SECONDS + 31 }, undefined],
    [{ iat: NOW_SECONDS + 30 }, 'till'],
    [{ iat: NOW_SECONDS + 31 }, undefined],
    [{ iat: undefined, nbf: undefined }, 'till'],
  ])('with %j is of %s', async (claims, name) => {
    expect((await callers.authenticate(token(claims)))?.name).toBe(name);
  });

  it.each(['RS512', 'ES256', 'Ed25519'])('is refused where its issuer may sign with %s alone', async (algorithm) => {
    expect(await jwtCallersOf({ algorithms: [algorithm] }).authenticate(token())).toBeUndefined();
  });

  it('that names no key is looked up by its algorithm', async () => {
    const { kid: _, ...header } = issuer.header;
    expect(await callers.authenticate(signed(header, issuer.claims({}, NOW_SECONDS), issuer.key))).toMatchObject({
      name: 'till',
    });
  });

  it('is believed no more when its key is gone', async () => {
    const [old, older] = [token(), token()];
    callers.onModuleInit();
    for (let i = 0; i < 2; i += 1) await callers.authenticate(old);
    issuer.rotate();
    expect(await callers.authenticate(token())).toMatchObject({ name: 'till' });
    expect(await callers.authenticate(old)).toBeUndefined();
    expect(await callers.authenticate(older)).toBeUndefined();
  });

  it('that stands for nobody is refused', async () => {
    expect(await callers.authenticate(token({ sub: 'system:serviceaccount:shops:till2' }))).toBeUndefined();
    const nobody = jwtCallersOf({ callers: [{ caller: 'nobody', subject: '*', claims: {} }] });
    expect(await nobody.authenticate(token())).toBeUndefined();
  });
});

describe('a JWT is refused that has', () => {
  let known: JwtCallers;
  const bad = () => badJwts(issuer, NOW_SECONDS);
  beforeEach(() => {
    known = jwtCallersOf({ callers: [{ caller: 'till', subject: '*', claims: {} }] });
    known.onModuleInit();
  });
  afterEach(() => known.onModuleDestroy());

  it('any of many faults, while the good one among them is taken', async () => {
    await eventually(async () => (await known.authenticate(token())) && true);
    const believed: string[] = [];
    for (const [fault, jwt] of bad()) if (await known.authenticate(jwt)) believed.push(fault);
    expect(believed).toEqual([]);
    expect(bad().length).toBeGreaterThan(50);
    expect(await known.authenticate(token())).toMatchObject({ name: 'till' });
  });
});

describe('other issuers', () => {
  const others: RunningIssuer[] = [];
  const believed = async (jwt: string) => (await callers.authenticate(jwt))?.name;
  const ruleFor = (caller: string) => [{ caller, subject: '*', claims: {} }];

  beforeAll(async () => {
    others.push(await RunningIssuer.start(), await RunningIssuer.start());
  });
  beforeEach(async () => {
    await putCaller(vault, 'other');
    callers.onModuleInit();
    // Twice, so that the keys are those of now and it counts as seen.
    for (let i = 0; i < 2; i += 1) expect(await believed(token())).toBe('till');
  });

  const at = (one: RunningIssuer, more: Partial<JwtIssuerConfig> = {}) =>
    configOf({ issuer: one.name, jwksUrl: one.url, ...more });

  it('are believed from then on, and one that is gone no more, though it was seen before', async () => {
    const jwt = token();
    await callers.authenticate(jwt);
    expect(callers.findSeen(jwt)).toMatchObject({ name: 'till' });
    callers.adopt([at(others[0]!)]);
    expect(callers.findSeen(jwt)).toBeUndefined();
    expect(await callers.authenticate(jwt)).toBeUndefined();
    expect(await believed(others[0]!.token({}, NOW_SECONDS))).toBe('till');
    callers.adopt([]);
    expect(callers.findSeen(others[0]!.token({}, NOW_SECONDS))).toBeUndefined();
    expect(callers.authenticate(jwt)).toBeUndefined();
  });

  it('leave the keys of one that has not changed, and are fetched for themselves', async () => {
    const before = [issuer.fetches, others[0]!.fetches];
    callers.adopt([configOf(), at(others[0]!)]);
    expect(await believed(token())).toBe('till');
    expect(await believed(others[0]!.token({}, NOW_SECONDS))).toBe('till');
    expect([issuer.fetches, others[0]!.fetches]).toEqual([before[0], before[1]! + 1]);
  });

  it('with other rules judge anew what was seen before, by the keys that are known', async () => {
    const jwt = token();
    for (let i = 0; i < 2; i += 1) await callers.authenticate(jwt);
    const { fetches } = issuer;
    callers.adopt([configOf({ callers: ruleFor('other') })]);
    expect(callers.findSeen(jwt)).toBeUndefined();
    expect(await believed(jwt)).toBe('other');
    callers.adopt([configOf({ audiences: ['somebody-else'] })]);
    expect(await believed(jwt)).toBeUndefined();
    expect(issuer.fetches).toBe(fetches);
  });

  it('judge by the new rules what came in under the old ones and is still being verified', async () => {
    const underWay = callers.authenticate(token());
    callers.adopt([configOf({ callers: ruleFor('other') })]);
    expect(await underWay).toMatchObject({ name: 'other' });
    const removed = callers.authenticate(token({ nbf: NOW_SECONDS - 1 }));
    callers.adopt([]);
    expect(await removed).toBeUndefined();
  });

  it('whose keys are elsewhere are believed by those alone', async () => {
    const old = token();
    callers.adopt([configOf({ jwksUrl: others[1]!.url })]);
    expect(await believed(old)).toBeUndefined();
    const { header, key } = others[1]!;
    expect(await believed(signed(header, issuer.claims({}, NOW_SECONDS), key))).toBe('till');
  });
});

it('without an issuer, no JWT is even read', () => {
  const none = new JwtCallers(vault, { jwtIssuers: [] } as Partial<BrokerConfig> as BrokerConfig);
  expect(none.authenticate(token())).toBeUndefined();
});
