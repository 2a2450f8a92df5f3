import fc from 'fast-check';

import { decodeText, type FoundCredentials, readCredentials } from './credential-text.js';

const pair: FoundCredentials = { clientId: 'my-client', clientSecret: 'p+a/s%s:w=#"o\'rd==' };

describe('the layouts it knows', () => {
  it.each([
    ['JSON', JSON.stringify({ client_id: pair.clientId, client_secret: pair.clientSecret })],
    [
      'JSON inside JSON',
      JSON.stringify({ a: [{ oauth: { clientId: pair.clientId, clientSecret: pair.clientSecret } }] }),
    ],
    ['.env', `# MobilePay\nexport MOBILEPAY_CLIENT_ID=my-client\nMOBILEPAY_CLIENT_SECRET=${pair.clientSecret}\n`],
    ['.env with quotes', `CLIENT_ID="my-client"\r\nCLIENT_SECRET='${pair.clientSecret}'\r\n`],
    ['YAML-like', `client_id: my-client\nclient_secret: ${pair.clientSecret}\nenvironment: sandbox`],
    ['CSV', `name,client_id,client_secret\nshop,my-client,"${pair.clientSecret.replaceAll('"', '""')}"\n`],
    [
      'CSV with semicolons',
      `"Client ID";"Client Secret"\r\nmy-client;"${pair.clientSecret.replaceAll('"', '""')}"\r\n`,
    ],
    [
      'prose',
      `Dear integrator,\n\nhere is your client id and secret.\n\nClient ID: my-client\nClient Secret: ${pair.clientSecret}\n\nRegards`,
    ],
    ['prose with the value below', `Client ID:\nmy-client\n\nClient secret\n${pair.clientSecret}\n`],
    ['secret first', `client_secret=${pair.clientSecret}\nclient_id=my-client`],
    ['old Mac line ends', `client_id=my-client\rclient_secret=${pair.clientSecret}\r`],
  ])('%s', (_, text) => {
    expect(readCredentials(text)).toEqual([pair]);
  });

  it('finds several clients in one text', () => {
    const rows = [1, 2, 3].map((n) => ({ clientId: `id-${n}`, clientSecret: `secret-${n}` }));
    expect(readCredentials(JSON.stringify(rows))).toEqual(rows);
    const lines = rows.map((row) => `client_id=${row.clientId}\nclient_secret=${row.clientSecret}`);
    expect(readCredentials(lines.join('\n\n'))).toEqual(rows);
    const csv = rows.map((row) => `${row.clientId}\t${row.clientSecret}`);
    expect(readCredentials(['client_id\tclient_secret', ...csv].join('\n'))).toEqual(rows);
  });

  it.each([
    ['nothing', ''],
    ['prose without credentials', 'The client id and client secret follow in another mail.\nRegards\nMobilePay'],
    ['an id alone', 'Client ID: my-client'],
    ['another id, and no secret', 'x-ibm-client-id: abc\nx-ibm-client-id=def'],
    ['JSON of another kind', '{"user":"a","password":"b"}'],
    ['JSON with a number for a secret', '{"client_id":"a","client_secret":1}'],
    ['a CSV header alone', 'client_id,client_secret\n'],
    ['deep JSON', `${'['.repeat(5_000)}${']'.repeat(5_000)}`],
  ])('finds nothing in %s', (_, text) => {
    expect(readCredentials(text)).toEqual([]);
  });

  it('reads a quarter of a megabyte of anything without hanging', () => {
    for (const unit of [' ', 'a', 'a ', '"', 'a:', '\n', 'client_id', ',', '[', '{"a":']) {
      expect(readCredentials(unit.repeat(262_144 / unit.length))).toEqual([]);
    }
  });
});

const printable = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
/** What survives in a line without quotes: nothing at its ends that is trimmed or taken for a quote. */
const inLine = printable.filter(
  (text) => text === text.trim() && !/[\p{Cc}\u2028\u2029\ufeff]/u.test(text) && !/^(["']).*\1$/su.test(text),
);
const encodings: [string, (text: string) => Uint8Array][] = [
  ['UTF-8', (text) => Buffer.from(text)],
  ['UTF-8 with BOM', (text) => Buffer.from(`\ufeff${text}`)],
  ['UTF-16LE with BOM', (text) => Buffer.from(`\ufeff${text}`, 'utf16le')],
  ['UTF-16LE', (text) => Buffer.from(text, 'utf16le')],
  ['UTF-16BE with BOM', (text) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16()],
  ['UTF-16BE', (text) => Buffer.from(text, 'utf16le').swap16()],
];

describe.each(encodings)('in %s', (_, encode) => {
  const read = (text: string) => readCredentials(decodeText(encode(text))!);

  it('every secret comes through JSON as it is', () => {
    fc.assert(
      fc.property(printable, printable, (clientId, clientSecret) => {
        expect(read(JSON.stringify({ client_id: clientId, client_secret: clientSecret }))).toEqual([
          { clientId, clientSecret },
        ]);
      }),
    );
  });

  it('every secret comes through CSV as it is', () => {
    const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
    fc.assert(
      fc.property(printable, printable, (clientId, clientSecret) => {
        expect(read(`client_id,client_secret\n${quoted(clientId)},${quoted(clientSecret)}\n`)).toEqual([
          { clientId, clientSecret },
        ]);
      }),
    );
  });

  it('every secret comes through lines as it is', () => {
    fc.assert(
      fc.property(inLine, inLine, fc.constantFrom('=', ': ', ' = '), (clientId, clientSecret, is) => {
        expect(read(`client_id${is}${clientId}\nclient_secret${is}${clientSecret}\n`)).toEqual([
          { clientId, clientSecret },
        ]);
      }),
    );
  });
});

describe('bytes that are no text', () => {
  it.each([
    ['a zip', Buffer.from('PK\u0003\u0004\0\0\0\0', 'latin1')],
    ['broken UTF-8', Buffer.from([0x63, 0xc3, 0x28])],
    ['half a UTF-16 character', Buffer.from([0xff, 0xfe, 0x41])],
    ['zeros', Buffer.alloc(64)],
  ])('%s', (_, bytes) => {
    expect(decodeText(bytes)).toBeUndefined();
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => readCredentials(decodeText(bytes) ?? '')).not.toThrow();
      }),
    );
  });
});
