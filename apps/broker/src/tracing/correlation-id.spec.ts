import { correlationIdOf, traceparentOf } from './correlation-id.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const MADE = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

it('a request is called what its caller calls it, before its trace, before an id of ours', () => {
  expect(correlationIdOf({ 'x-correlation-id': 'till-7:42', traceparent: PARENT })).toBe('till-7:42');
  expect(correlationIdOf({ 'x-correlation-id': 'not one', traceparent: PARENT })).toBe(TRACE);
  expect(correlationIdOf({ traceparent: PARENT })).toBe(TRACE);
  expect(correlationIdOf({})).toMatch(MADE);
});

it.each([
  ['sampled or not', `00-${TRACE}-00f067aa0ba902b7-00`],
  ['of a later version', `01-${TRACE}-00f067aa0ba902b7-01`],
  ['of a later version with more in it', `cc-${TRACE}-00f067aa0ba902b7-01-what-the-future-will-be-like`],
])('a traceparent counts: %s', (_, traceparent) => {
  expect(traceparentOf({ traceparent })).toBe(traceparent);
});

it.each([
  ['empty', ''],
  ['of the version that cannot be', `ff-${TRACE}-00f067aa0ba902b7-01`],
  ['in upper case', PARENT.toUpperCase()],
  ['with no trace', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
  ['with no parent', `00-${TRACE}-0000000000000000-01`],
  ['cut short', PARENT.slice(0, -1)],
  ['with more in it, of version 00', `${PARENT}-more`],
  ['sent twice', `${PARENT}, ${PARENT}`],
  ['with more in it than fits', `01-${TRACE}-00f067aa0ba902b7-01-${'x'.repeat(300)}`],
  ['of a later version, with more right behind', `01-${TRACE}-00f067aa0ba902b7-01.x`],
  ['in blanks', ` ${PARENT} `],
  ['a caller key', 'tbk_0123456789abcdef'],
])('a traceparent does not count: %s', (_, traceparent) => {
  expect(traceparentOf({ traceparent })).toBeUndefined();
  expect(correlationIdOf({ traceparent })).toMatch(MADE);
});

it.each(['', 'a'.repeat(129), 'a b', '<x>', 'tbk_0123', 'eyJhbGciOi.J9', 'ø', 'a\nb'])(
  'an x-correlation-id does not count: %j',
  (id) => {
    expect(correlationIdOf({ 'x-correlation-id': id })).toMatch(MADE);
  },
);
