import { FIRST_SHOWN, hashOf, readHash, searchHash, type Shown } from './hash.js';

it('what is shown at first needs no hash', () => {
  expect(hashOf(FIRST_SHOWN)).toBe('');
  expect(readHash('')).toEqual(FIRST_SHOWN);
});

it('a link leads to what was shown', () => {
  const shown: Shown = {
    query: 'acme & søn #1',
    states: ['failing', 'dead'],
    sort: { column: 'life', isDescending: true },
    open: 'acme/DK12345678',
  };
  expect(readHash(hashOf(shown))).toEqual(shown);
});

it('what an old or mistyped link says is passed over', () => {
  expect(readHash('#sort=-price&state=fresh,zombie&x=1')).toEqual({ ...FIRST_SHOWN, states: ['fresh'] });
});

it('a problem links to its client and merchant', () => {
  expect(readHash(searchHash('acme', undefined)).query).toBe('acme');
  expect(readHash(searchHash('acme', 'DK12345678')).query).toBe('acme DK12345678');
});
