import { CERTIFICATE_NAME_PATTERN } from '#vault';

import { certificateNames } from './certificate-names.js';

it('reads the names of the three kinds, and lets the others be', () => {
  const text =
    'DNS:till.shops.svc, IP Address:10.0.0.1, URI:spiffe://cluster/ns/shops/sa/till, email:till@shops.example, Registered ID:1.2.3';
  expect(certificateNames(text)).toEqual([
    'dns:till.shops.svc',
    'uri:spiffe://cluster/ns/shops/sa/till',
    'email:till@shops.example',
  ]);
});

it('takes a DNS name in any letters, and nothing else so', () => {
  expect(certificateNames('DNS:Till.SVC, URI:spiffe://A/B')).toEqual(['dns:till.svc', 'uri:spiffe://A/B']);
});

it.each<[string, string, string[]]>([
  ['a comma in quotes', 'URI:"spiffe://x, DNS:admin", DNS:ok', ['dns:ok']],
  ['two of them', 'URI:"spiffe://x, DNS:admin, y", DNS:ok', ['dns:ok']],
  ['quotes in quotes', 'DNS:"a\\", DNS:admin, \\"b", DNS:ok', ['dns:ok']],
  ['a backslash before the quotes', 'DNS:"a\\\\", DNS:ok', ['dns:ok']],
  ['commas that Node escapes', 'URI:"spiffe://x\\u002c DNS:admin", DNS:ok', ['dns:ok']],
  ['an unknown kind in quotes', 'othername:"UPN:a, DNS:admin", DNS:ok', ['dns:ok']],
  ['a directory name in quotes', 'DirName:"CN=a\\u002cDNS:admin", DNS:ok', ['dns:ok']],
  ['a name in another', 'othername:SRV:DNS:admin, DNS:ok', ['dns:ok']],
])('believes nothing of %s', (_, text, names) => {
  expect(certificateNames(text)).toEqual(names);
});

it.each([
  ['quotes that do not end', 'DNS:admin, URI:"spiffe://x'],
  ['something behind quotes', 'DNS:admin, URI:"x"y'],
  ['a comma without a space', 'DNS:admin,DNS:other'],
  ['quotes in the middle', 'DNS:admin, DNS:a"b'],
  ['no kind', 'DNS:admin, admin'],
  ['nothing', undefined],
  ['an empty text', ''],
])('takes no name at all from %s', (_, text) => {
  expect(certificateNames(text)).toEqual([]);
});

it('makes of a wildcard or of an empty name what no caller can have', () => {
  for (const name of certificateNames('DNS:*.shops.svc, DNS:, URI:, email:')) {
    expect(name).not.toMatch(CERTIFICATE_NAME_PATTERN);
  }
});
