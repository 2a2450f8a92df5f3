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

function jwtCallersOf(more: Partial<JwtIssuerConfig> = {}): JwtCallers {
  const config: JwtIssuerConfig = {
    issuer: issuer.name,
    audiences: [AUDIENCE],
    jwksUrl: issuer.url,
    jwksCaFile: undefined,
    jwksTokenFile: undefined,
    algorithms: JWT_ALGORITHMS,
    callers: [{ caller: 'till', subject: 'system:serviceaccount:shops:till', claims: {} }],
    ...more,
  };
  return new JwtCallers(vault, { jwtIssuers: [config] } as Partial<BrokerConfig> as BrokerConfig);
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

it('without an issuer, no JWT is even read', () => {
  const none = new JwtCallers(vault, { jwtIssuers: [] } as Partial<BrokerConfig> as BrokerConfig);
  expect(none.authenticate(token())).toBeUndefined();
});
