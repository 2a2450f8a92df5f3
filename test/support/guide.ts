import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './processes.js';

/** A block of commands, as it stands on a page. */
export interface Block {
  readonly page: string;
  /** The heading above it. */
  readonly section: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** One by one: each begins at the start of a line, and goes on in those that are indented or close it. */
  readonly commands: readonly string[];
}

/** The guide in parts, each of which has a test of its own: `operations-<part>.spec.ts`. */
export const PARTS = {
  alerts: { page: 'docs/alerts.md' },
  upkeep: { page: 'docs/operations.md', until: 'Disaster' },
  disaster: { page: 'docs/operations.md', from: 'Disaster' },
} as const satisfies Record<string, { page: string; from?: string; until?: string }>;

export type Part = keyof typeof PARTS;

export function pageText(page: string): string {
  return readFileSync(join(root, page), 'utf8');
}

/** What a shell needs for all other commands of the guide: its first block. */
export function setUpBlock(): Block {
  return blocksOf(PARTS.upkeep.page)[0]!;
}

/** The commands of a part, in their order. */
export function blocksIn(part: Part): Block[] {
  const { page, from, until }: { page: string; from?: string; until?: string } = PARTS[part];
  const lineOf = (heading: string) => pageText(page).split('\n').indexOf(`## ${heading}`) + 1;
  const [first, last] = [from === undefined ? 0 : lineOf(from), until === undefined ? Infinity : lineOf(until)];
  return blocksOf(page).filter(({ language, line }) => language === 'sh' && line > first && line < last);
}

/** Everything between fences, those of lists included. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let section = '';
  let open: { line: number; indent: string; language: string; lines: string[] } | undefined;
  for (const [index, line] of pageText(page).split('\n').entries()) {
    const [, indent = '', language = ''] = /^( *)```(.*)$/.exec(line) ?? [];
    const isFence = line.trim().startsWith('```');
    if (open && isFence) {
      const text = open.lines.join('\n');
      blocks.push({ page, section, line: open.line, language: open.language, text, commands: commandsIn(open.lines) });
      open = undefined;
    } else if (open) open.lines.push(line.slice(open.indent.length));
    else if (isFence) open = { line: index + 1, indent, language, lines: [] };
    else section = /^##+ (.+)$/.exec(line)?.[1] ?? section;
  }
  return blocks;
}

function commandsIn(lines: readonly string[]): string[] {
  const commands: string[] = [];
  for (const line of lines.filter((each) => !/^\s*(#|$)/.test(each))) {
    if (/^(\s|[})]|done|fi|esac)/.test(line)) commands.push(`${commands.pop()}\n${line}`);
    else commands.push(line);
  }
  return commands;
}
