import { callerKeyMatches, newCallerKey } from '#vault';

const TRIES = 10_000;
/** Comparisons in one try: a clock has its grain too. */
const AT_ONCE = 10;
/** As dudect has it: beyond, the two ways of being wrong are told apart (Reparaz et al., 2017). */
const TOLD_APART = 4.5;

/** Whether a key is the right one, of which it knows as much as it needs. */
type Compare = (key: string, right: { readonly key: string; readonly hash: Buffer }) => boolean;

/** Welch's t of the times that `compare` takes to refuse a key wrong in its first, and one wrong in its last random
 *  character. In turns at random; the slowest tenth, which was interrupted, does not count. */
function tOf(compare: Compare): number {
  const made = newCallerKey();
  const right = { key: made.key.reveal(), hash: made.hash };
  const wrongAt = (at: number) =>
    right.key.slice(0, at) + (right.key[at] === 'a' ? 'b' : 'a') + right.key.slice(at + 1);
  const keys = [wrongAt(16), wrongAt(58)] as const;
  const times: [number[], number[]] = [[], []];
  for (let n = 0; n < 2 * TRIES + 2_000; n += 1) {
    const which = Math.random() < 0.5 ? 0 : 1;
    const before = process.hrtime.bigint();
    for (let i = 0; i < AT_ONCE; i += 1) if (compare(keys[which], right)) throw new Error('a wrong key was taken');
    const took = Number(process.hrtime.bigint() - before);
    // The first ones are not compiled yet.
    if (n >= 2_000) times[which].push(took);
  }
  const limit = times.flat().toSorted((a, b) => a - b)[Math.floor(0.9 * 2 * TRIES)] ?? Infinity;
  const [first, last] = times.map((each) => momentsOf(each.filter((time) => time <= limit)));
  return Math.abs(first!.mean - last!.mean) / Math.sqrt(first!.variance / first!.count + last!.variance / last!.count);
}

function momentsOf(values: readonly number[]) {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  return { count, mean, variance };
}

/** Of several measurements on a busy machine the calmest. */
function calmest(compare: Compare, measurements = 5): number {
  return Math.min(...Array.from({ length: measurements }, () => tOf(compare)));
}

it('refusing a key takes as long wherever it is wrong', () => {
  expect(calmest((key, { hash }) => callerKeyMatches(key, hash))).toBeLessThan(TOLD_APART);
});

it('and a comparison that stops at the first difference would be found', () => {
  const stopsEarly: Compare = (key, right) => {
    for (let at = 0; at < key.length; at += 1) if (key.charCodeAt(at) !== right.key.charCodeAt(at)) return false;
    return true;
  };
  expect(calmest(stopsEarly)).toBeGreaterThan(TOLD_APART);
});
