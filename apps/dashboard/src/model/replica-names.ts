/** Names up to this length stay whole. */
const SHORT = 16;
/** What is left of a longer one must still be a name. */
const SHORTEST = 4;

/** What all names begin with, up to a `-` or the like: pods are `token-broker-7d9f4-x2kqp`, of which only the end tells. */
export function commonStart(names: readonly string[]): string {
  const [first = '', ...others] = names;
  if (others.length === 0 || first.length <= SHORT) return '';
  let length = 0;
  while (length < first.length && others.every((name) => name[length] === first[length])) length += 1;
  while (length > 0 && !/[-._:/]/.test(first.charAt(length - 1))) length -= 1;
  return names.every((name) => name.length - length >= SHORTEST) ? first.slice(0, length) : '';
}
