import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';

import { replaceCaller, type Vault } from '#vault';

import { openVault } from '../../../../test/support/vault.js';
import { CertificateCallers } from './certificate-callers.js';

/** A connection as Node describes one whose handshake is done. */
class FakeTlsSocket extends TLSSocket {
  asked = 0;

  constructor(
    override readonly authorized: boolean,
    private readonly certificate?: { subjectAltName?: string; validFrom: string; validTo: string },
  ) {
    super(new Socket());
  }

  override getPeerX509Certificate() {
    this.asked += 1;
    return this.certificate as ReturnType<TLSSocket['getPeerX509Certificate']>;
  }
}

const [VALID_FROM, VALID_TO] = ['Jan  1 00:00:00 2026 GMT', 'Jan  1 00:00:00 2027 GMT'];
const showing = (subjectAltName: string, more = {}) =>
  new FakeTlsSocket(true, { subjectAltName, validFrom: VALID_FROM, validTo: VALID_TO, ...more });

async function put(vault: Vault, name: string, certificateNames: string[]): Promise<void> {
  const terms = { roles: ['token'] as const, grants: [], certificateNames };
  await vault.changeCaller(name, (current, at) => replaceCaller(current, name, terms, at));
}

async function started() {
  const { vault } = await openVault();
  await put(vault, 'till', ['dns:till.svc', 'dns:shared.svc']);
  return { vault, callers: new CertificateCallers(vault) };
}

beforeEach(() => jest.useFakeTimers({ now: new Date('2026-06-01'), doNotFake: ['nextTick', 'setImmediate'] }));
afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

it('finds the caller, and reads a connection’s certificate once', async () => {
  const { callers } = await started();
  const socket = showing('DNS:till.svc');
  for (let i = 0; i < 3; i += 1) expect(callers.find(socket)?.name).toBe('till');
  expect(socket.asked).toBe(1);
});

it('finds nobody on a connection without TLS, without a certificate, or with one that was not verified', async () => {
  const { callers } = await started();
  const unverified = new FakeTlsSocket(false, {
    subjectAltName: 'DNS:till.svc',
    validFrom: VALID_FROM,
    validTo: VALID_TO,
  });
  for (const socket of [new Socket(), unverified, new FakeTlsSocket(true)]) {
    expect(callers.find(socket)).toBeUndefined();
  }
});

it('follows the vault and the clock on a connection that stays open', async () => {
  const { vault, callers } = await started();
  const socket = showing('DNS:till.svc');
  await put(vault, 'till', []);
  expect(callers.find(socket)).toBeUndefined();
  await put(vault, 'other', ['dns:till.svc']);
  expect(callers.find(socket)?.name).toBe('other');
  jest.setSystemTime(new Date(VALID_TO).getTime() + 1_000);
  expect(callers.find(socket)).toBeUndefined();
  jest.setSystemTime(new Date(VALID_FROM).getTime() - 1_000);
  expect(callers.find(socket)).toBeUndefined();
});

it('believes no certificate whose dates it cannot read', async () => {
  const { callers } = await started();
  for (const more of [{ validFrom: 'once' }, { validTo: 'for ever' }]) {
    expect(callers.find(showing('DNS:till.svc', more))).toBeUndefined();
  }
});

it('says once that a name of two callers speaks for nobody', async () => {
  const log = jest.spyOn(Logger.prototype, 'error').mockImplementation(() => {});
  const { vault, callers } = await started();
  await put(vault, 'other', ['dns:shared.svc']);
  for (let i = 0; i < 3; i += 1) expect(callers.find(showing('DNS:shared.svc'))).toBeUndefined();
  expect(log.mock.calls).toEqual([[{ event: 'certificate_ambiguous', callers: ['till', 'other'] }]]);
  expect(callers.find(showing('DNS:till.svc'))?.name).toBe('till');
});

it('listens to the vault no more when it is destroyed', async () => {
  const { vault, callers } = await started();
  callers.onModuleDestroy();
  await put(vault, 'till', []);
  expect(callers.find(showing('DNS:till.svc'))?.name).toBe('till');
});
