import { inspect } from 'node:util';

import { Secret } from '#vault';

import { aCertificate } from '../../../../test/support/certificates.js';
import { contextOf, tlsProblems } from './read-tls.js';

const own = aCertificate();
const other = aCertificate();
const files = (more: { cert?: string; key?: string; clientCa?: string } = {}) => {
  const { cert = own.cert, key = own.key, clientCa } = more;
  return { cert, key: new Secret(key), clientCa };
};

it('has nothing against a certificate, a chain, authorities, and remarks between them', () => {
  expect(tlsProblems(files())).toEqual([]);
  expect(
    tlsProblems(files({ cert: own.cert + other.cert, clientCa: `# ours\n${own.cert}\n# theirs\n${other.cert}` })),
  ).toEqual([]);
  expect(
    tlsProblems(files({ cert: own.cert.replaceAll('\n', '\r\n'), key: own.key.replaceAll('\n', '\r\n') })),
  ).toEqual([]);
});

it.each<[string, Parameters<typeof files>[0], RegExp]>([
  ['no authority', { clientCa: '# none yet\n' }, /^TLS_CLIENT_CA_FILE must hold certificates/],
  [
    'an authority cut off',
    { clientCa: own.cert + other.cert.slice(0, 200) },
    /^TLS_CLIENT_CA_FILE must hold certificates/,
  ],
  ['an authority that is no certificate', { clientCa: own.cert.replace('\nMII', '\nAAA') }, /^TLS_CLIENT_CA_FILE must/],
  ['a key among the certificates', { cert: own.cert + own.key }, /^TLS_CERT_FILE must hold certificates/],
  ['another one’s key', { key: other.key }, /^TLS_KEY_FILE must hold the key of the first certificate/],
])('refuses %s', (_, more, problem) => {
  expect(tlsProblems(files(more))).toEqual([expect.stringMatching(problem)]);
});

it('says nothing of a file that could not be read, and all of the others', () => {
  expect(tlsProblems({ cert: undefined, key: undefined, clientCa: 'x' })).toHaveLength(1);
  expect(tlsProblems({ cert: 'x', key: undefined, clientCa: 'x' })).toHaveLength(2);
});

it('keeps the key out of what is printed, and nobody below TLS 1.2', () => {
  expect(inspect(files(), { depth: 9 }) + JSON.stringify(files())).not.toContain(own.key.slice(40, 80));
  expect(contextOf(files())).toMatchObject({ key: own.key, minVersion: 'TLSv1.2' });
});
