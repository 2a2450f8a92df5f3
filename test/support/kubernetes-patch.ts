import type { Fields } from './kubernetes-api.js';

export interface Replacement {
  readonly op: 'replace';
  readonly path: string;
  readonly value: unknown;
}

/** JSON patch, of which `rollout undo` needs this. */
export function replaced(object: unknown, patch: readonly Replacement[]): unknown {
  return patch.reduce((done, { path, value }) => {
    const nested = path
      .split('/')
      .slice(1)
      .reduceRight<unknown>((inner, name) => ({ [name]: inner }), new Whole(value));
    return merged(done, nested);
  }, object);
}

/** A value that takes the place of what was there, whatever that was. */
class Whole {
  constructor(readonly value: unknown) {}
}

/** Strategic merge: objects by member, lists of named things by name, anything else as it comes; null removes. */
export function merged(from: unknown, patch: unknown): unknown {
  if (patch instanceof Whole) return patch.value;
  if (Array.isArray(patch)) return mergedLists(Array.isArray(from) ? from : [], patch);
  if (typeof patch !== 'object' || patch === null) return patch;
  const result: Fields = { ...(from as Fields | undefined) };
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith('$')) continue;
    if (value === null) delete result[name];
    else result[name] = merged(result[name], value);
  }
  return result;
}

function mergedLists(from: readonly unknown[], patch: readonly unknown[]): unknown[] {
  const nameOf = (item: unknown) => (Object(item) as { name?: string }).name;
  if (!patch.every((item) => nameOf(item) !== undefined)) return [...patch];
  const kept = from.map((item) => {
    const change = patch.find((each) => nameOf(each) === nameOf(item));
    return change === undefined ? item : merged(item, change);
  });
  return [...kept, ...patch.filter((item) => !from.some((each) => nameOf(each) === nameOf(item)))];
}
