import { ago, countdown, counted, duration, latency, share, shortCount } from './format.js';

it.each([
  [0, '00:00'],
  [-5, '00:00'],
  [299.9, '04:59'],
  [3_699, '61:39'],
  [5_999, '99:59'],
  [6_000, '1:40:00'],
])('%d s of life run down as %s', (seconds, text) => {
  expect(countdown(seconds)).toBe(text);
});

it.each([
  [12, '12 s'],
  [3_599, '59 min'],
  [3_600, '1 h'],
  [7_380, '2 h 3 min'],
  [3 * 86_400 + 4 * 3_600 + 59, '3 d 4 h'],
])('%d s are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

it('an age has one unit, and a future one is now', () => {
  expect(ago(0, 7_380_000)).toBe('2 h ago');
  expect(ago(5_000, 0)).toBe('just now');
});

it('all but one of a million is not 100 %', () => {
  expect(share(999_999, 1_000_000)).toBe('99.9 %');
  expect(share(10, 10)).toBe('100 %');
  expect(share(0, 0)).toBe('–');
});

it('numbers are grouped, and short where the last digits say nothing', () => {
  expect(counted(10_000, 'token')).toBe('10,000 tokens');
  expect(counted(1, 'reply', 'replies')).toBe('1 reply');
  expect(shortCount(99_999)).toBe('99,999');
  expect(shortCount(1_234_567)).toBe('1.2M');
});

it('latency has the digits that matter', () => {
  expect([0.42, 118.4, 9_999, 12_340].map(latency)).toEqual(['0.4 ms', '118 ms', '9,999 ms', '12.3 s']);
});
