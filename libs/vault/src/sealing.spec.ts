import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';

import { KeyRing, type Place, Sealer, Secret } from '#vault';

const ringText = `new:${randomBytes(32).toString('base64')},old:${randomBytes(32).toString('base64')}`;
const ring = KeyRing.parse(ringText);
const place: Place = { purpose: 'vault', record: 'client/acme', version: 3 };

describe('a sealed record', () => {
  it('opens in its place, under the key that sealed it', async () => {
    const sealer = new Sealer(ring);
    expect(await sealer.open(await sealer.seal('hello', place), place)).toBe('hello');
    const old = new Sealer(KeyRing.parse(ringText.split(',')[1]!));
    expect(await sealer.open(await old.seal('old', place), place)).toBe('old');
  });

  it('is a compact JWE with its key wrapped by AES-256-GCM', async () => {
    const [header] = (await new Sealer(ring).seal('hello', place)).split('.');
    expect(JSON.parse(Buffer.from(header!, 'base64url').toString())).toMatchObject({
      alg: 'A256GCMKW',
      enc: 'A256GCM',
      kid: 'new',
    });
  });

  it.each([
    ['another record', { record: 'client/other' }],
    ['another version', { version: 2 }],
    ['another purpose', { purpose: 'token' as const }],
  ])('does not open in the place of %s', async (_, other) => {
    const sealer = new Sealer(ring);
    await expect(sealer.open(await sealer.seal('hello', place), { ...place, ...other })).rejects.toMatchObject({
      code: 'damaged',
    });
  });

  it('with any one bit changed is refused by name', async () => {
    const sealer = new Sealer(ring);
    const sealed = Buffer.from(await sealer.seal('hello', place));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      await expect(sealer.open(changed.toString('latin1'), place)).rejects.toThrow('client/acme');
    }
  });

  it('says which key it wants if the ring does not hold it, and which it holds', async () => {
    const sealed = await new Sealer(KeyRing.parse(KeyRing.generate('gone'))).seal('hello', place);
    await expect(new Sealer(ring).open(sealed, place)).rejects.toMatchObject({
      code: 'wrong_key',
      message: expect.stringMatching(/client\/acme .*"gone".*\(new, old\)/),
    });
  });

  it('does not open under another key of the same id', async () => {
    const sealed = await new Sealer(KeyRing.parse(KeyRing.generate('new'))).seal('hello', place);
    await expect(new Sealer(ring).open(sealed, place)).rejects.toMatchObject({ code: 'damaged' });
  });
});

describe('a key ring', () => {
  const good = randomBytes(32).toString('base64');

  it.each([
    ['', 'master key 1'],
    [good, 'master key 1'],
    [`a:${good},b:${randomBytes(16).toString('base64')}`, 'master key 2 (b) must be base64 of 32 bytes'],
    [`a:${good},a:${good}`, 'repeats the id a'],
    [`a b:${good}`, 'master key 1'],
  ])('refuses %# without showing it', (text, message) => {
    expect(() => KeyRing.parse(text)).toThrow(message);
    expect(() => KeyRing.parse(text)).not.toThrow(good);
  });

  it('that adopts another one seals and opens with its keys, wherever it is held', async () => {
    const [a, b] = [KeyRing.generate('a'), KeyRing.generate('b')];
    const held = KeyRing.parse(a);
    const sealer = new Sealer(held);
    const [underA, underB] = [await sealer.seal('1', place), await new Sealer(KeyRing.parse(b)).seal('2', place)];
    held.adopt(KeyRing.parse(`${b},${a}`));
    expect([held.ids, held.sealingId]).toEqual([['b', 'a'], 'b']);
    expect([await sealer.open(underA, place), await sealer.open(underB, place)]).toEqual(['1', '2']);
    expect([sealer.isCurrent(underA), sealer.isCurrent(underB)]).toEqual([false, true]);
    held.adopt(KeyRing.parse(b));
    expect(sealer.isCurrent(await sealer.seal('3', place))).toBe(true);
    await expect(sealer.open(underA, place)).rejects.toMatchObject({ code: 'wrong_key' });
  });

  it('adopts none in which a key has another value than before, and stays as it is', () => {
    const [a, b] = [KeyRing.generate('a'), KeyRing.generate('b')];
    const held = KeyRing.parse(a);
    const other = KeyRing.generate('a');
    expect(() => held.adopt(KeyRing.parse(`${b},${other}`))).toThrow('master key a has another value than before');
    expect([held.ids, held.find('a')]).toEqual([['a'], KeyRing.parse(a).find('a')]);
  });

  it('prints without its keys', () => {
    const text = inspect(KeyRing.parse(ringText), { showHidden: true, depth: 9 });
    for (const key of ringText.split(',')) {
      expect(text).not.toContain(key.split(':')[1]);
      expect(text).not.toContain(Buffer.from(key.split(':')[1]!, 'base64').toString('hex').slice(0, 8));
    }
  });
});

it('a secret prints as [secret] however it is printed', () => {
  const secret = new Secret('canary-secret');
  for (const text of [String(secret), JSON.stringify({ secret }), inspect({ secret }, { showHidden: true })]) {
    expect(text).toContain('[secret]');
    expect(text).not.toContain('canary');
  }
});
