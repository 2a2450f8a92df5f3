import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { aCertificate } from '../support/certificates.js';
import { aFolder } from '../support/folder.js';
import { RunningIssuer } from '../support/jwt-issuer.js';
import type { JwtIssuerConfig } from '../../apps/broker/src/config/broker-config.js';
import { fetchJwks } from '../../apps/broker/src/access/jwks-fetch.js';

function fetchFrom({ url }: RunningIssuer, more: Partial<JwtIssuerConfig> = {}, limitMs = 3_000): Promise<string> {
  const config = { jwksUrl: url, ...more } as Partial<JwtIssuerConfig> as JwtIssuerConfig;
  return fetchJwks(config, AbortSignal.timeout(limitMs));
}

describe('a key set is fetched', () => {
  it('with the bearer token that stands in its file at that moment', async () => {
    const issuer = await RunningIssuer.start();
    const jwksTokenFile = join(aFolder(), 'token');
    for (const token of ['first-token', 'second-token']) {
      issuer.wantedToken = token;
      writeFileSync(jwksTokenFile, `${token}\n`);
      expect(await fetchFrom(issuer, { jwksTokenFile })).toBe(issuer.keySet);
    }
    await expect(fetchFrom(issuer)).rejects.toMatchObject({ code: 'http_401' });
    await expect(fetchFrom(issuer, { jwksTokenFile: '/nowhere' })).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('from who shows a certificate of the authority that stands in its file at that moment', async () => {
    const [right, wrong] = [aCertificate(), aCertificate()];
    const issuer = await RunningIssuer.start(undefined, right);
    const jwksCaFile = join(aFolder(), 'ca.pem');
    writeFileSync(jwksCaFile, wrong.cert);
    const refusal = { code: expect.stringMatching(/CERT|SIGNATURE/) };
    await expect(fetchFrom(issuer, { jwksCaFile })).rejects.toMatchObject(refusal);
    writeFileSync(jwksCaFile, right.cert);
    expect(await fetchFrom(issuer, { jwksCaFile })).toBe(issuer.keySet);
    await expect(fetchFrom(issuer)).rejects.toMatchObject(refusal);
  });
});

describe('no key set comes from one that', () => {
  let issuer: RunningIssuer;
  beforeAll(async () => {
    issuer = await RunningIssuer.start();
  });

  it.each<[string, RunningIssuer['fault'], object]>([
    ['fails', (response) => response.writeHead(503).end(issuer.keySet), { code: 'http_503' }],
    ['redirects', (response) => response.writeHead(302, { location: issuer.url }).end(), { code: 'http_302' }],
    ['hangs', () => {}, { code: 'ABORT_ERR' }],
    ['hangs in the middle', (response) => void response.write('{"keys":'), {}],
    ['hangs up', (response) => void response.destroy(), { code: 'ECONNRESET' }],
    [
      'hangs up in the middle',
      (response) => void response.write('{', () => response.destroy()),
      { code: 'ECONNRESET' },
    ],
    ['sends more than 1 MiB', (response) => void response.end('x'.repeat(1_048_577)), { code: 'too_long' }],
    ['sends without end', (response) => void setInterval(() => response.write('x'.repeat(9_000)), 1).unref(), {}],
  ])('%s', async (_, fault, error) => {
    issuer.fault = fault;
    issuer.fetches = 0;
    await expect(fetchFrom(issuer, {}, 500)).rejects.toMatchObject(error);
    expect(issuer.fetches).toBe(1);
  });

  it('is not there', async () => {
    await issuer.stop();
    await expect(fetchFrom(issuer)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
