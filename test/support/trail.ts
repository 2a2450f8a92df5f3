import { readFileSync } from 'node:fs';

import { Trail, type TrailOptions, type Verdict } from '#audit';

/** What the check of a trail says. */
export function verdictOn(text: string | Buffer, options?: TrailOptions): Verdict {
  const trail = new Trail(options);
  trail.begin('trail');
  trail.push(Buffer.from(text));
  trail.end();
  return trail.verdict();
}

export const verdictOnFile = (path: string, options?: TrailOptions) => verdictOn(readFileSync(path), options);

/** The lines of a trail, as objects. */
export function linesOf(text: string): Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => /^\{"seq":.*\}$/.test(line))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export const linesIn = (path: string) => linesOf(readFileSync(path, 'utf8'));
