import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { type Block, blocksIn, blocksOf, pageText, type Part, PARTS, setUpBlock } from './support/guide.js';
import { root } from './support/processes.js';

const pages = [...new Set(Object.values(PARTS).map(({ page }) => page))];
const parts = Object.keys(PARTS) as Part[];
const blocks = parts.flatMap(blocksIn);
const commands = blocks.flatMap((block) => block.commands);
/** Some that no block begins with, so that they do not come in unseen. */
const OTHER_PROGRAMS = ['helm', 'docker', 'node', 'npm', 'systemctl', 'nginx', 'promtool'];

function withoutBlocks(page: string): string {
  return pageText(page).replaceAll(/^ *```.*\n[^]*?^ *```$/gm, '');
}

function anchorsOf(page: string): Set<string> {
  const headings = [...withoutBlocks(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!.toLowerCase());
  return new Set(headings.map((heading) => heading.replaceAll(/[^\p{L}\d _-]/gu, '').replaceAll(' ', '-')));
}

/** A command without its comment, on one line. */
function plain(command: string): string {
  return command
    .replaceAll(/\s#\s.*$/gm, '')
    .replaceAll(/\\?\s+/g, ' ')
    .trim();
}

it('every block of commands belongs to a part, and every part has a test that runs it', () => {
  const all = pages.flatMap(blocksOf).filter(({ language }) => language === 'sh');
  const place = ({ page, line }: Block) => `${page}:${line}`;
  expect(blocks.map(place).toSorted()).toEqual(all.map(place).toSorted());
  for (const part of parts) expect(existsSync(join(root, `test/release/operations-${part}.spec.ts`))).toBe(true);
});

it('what stands in a block is commands, or a manifest', () => {
  expect(new Set(pages.flatMap(blocksOf).map(({ language }) => language))).toEqual(new Set(['sh', 'yaml']));
});

it('a command in the text stands in a block as well', () => {
  const first = commands.map((command) => /^[\w-]+(?![\w=-])/.exec(plain(command))?.[0] ?? '');
  const programs = new Set([...first, ...OTHER_PROGRAMS]);
  const known = commands.map(plain);
  const untested = pages.flatMap((page) => {
    const inline = [...withoutBlocks(page).matchAll(/`([^`\n]+)`/g)].map(([, text]) => text!);
    const whole = inline.filter((text) => text.includes(' ') && programs.has(text.split(' ')[0]!));
    return whole.filter((text) => !known.some((command) => command.includes(text)));
  });
  expect(untested).toEqual([]);
});

it('nothing but values stands for something else', () => {
  expect(commands.filter((each) => !/^\w+=/.test(each) && /…|<[a-z _-]+>/.test(each))).toEqual([]);
});

it('the first block is what the others need', () => {
  expect(setUpBlock().section).toBe('First look');
});

it.each(pages)('the links of %s lead somewhere', (page) => {
  const links = [...withoutBlocks(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!);
  expect(links.length).toBeGreaterThan(5);
  const broken = links.filter((link) => {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsOf(target).has(anchor);
  });
  expect(broken).toEqual([]);
});
