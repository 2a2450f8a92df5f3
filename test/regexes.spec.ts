import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { isSafe } from 'redos-detector';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');

/** What the detector cannot clear, and why it is no danger. */
const CLEARED: Readonly<Record<string, string>> = {
  '/^(?:export\\s+)?["\']?([\\p{L}\\p{N} ._-]{1,80}?)["\']?\\s*[:=\\t](.*)$/u':
    'reads trimmed lines of at most 2000 characters; at most 80 ways to split each',
  '/([A-Za-z ]+):("(?:[^"\\\\]|\\\\.)*"|[^",]*)(?:, |$)/y':
    'sticky: each part is tried once where the last one ended, and its two kinds begin differently',
  '/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g':
    'between the marks no "-" can stand: the search goes on behind it; and the file is the operator’s own',
};

/** Every regular expression that is written in what we ship. */
function* expressions(): Generator<{ where: string; text: string; expression: RegExp }> {
  for (const top of ['apps', 'libs']) {
    for (const path of readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })) {
      if (!/\.tsx?$/.test(path) || path.endsWith('.spec.ts')) continue;
      const content = readFileSync(join(root, top, path), 'utf8');
      for (const { text } of regexNodes(ts.createSourceFile(path, content, ts.ScriptTarget.Latest, true))) {
        const [, pattern = '', flags = ''] = /^\/(.*)\/(\w*)$/s.exec(text) ?? [];
        yield { where: `${top}/${path}`, text, expression: new RegExp(pattern, flags) };
      }
    }
  }
}

function regexNodes(node: ts.Node): ts.RegularExpressionLiteral[] {
  const inner: ts.RegularExpressionLiteral[] = [];
  node.forEachChild((child) => void inner.push(...regexNodes(child)));
  return ts.isRegularExpressionLiteral(node) ? [node, ...inner] : inner;
}

const all = [...expressions()];

it('all are found, and each that is cleared by hand is still there', () => {
  expect(all.length).toBeGreaterThan(60);
  expect(all.map(({ text }) => text)).toEqual(expect.arrayContaining(Object.keys(CLEARED)));
});

it('the search tells one that backtracks', () => {
  expect([/^(a+)+$/, /\/+$/, /^\d*\.?\d+$/].map((each) => isSafe(each).safe)).toEqual([false, false, false]);
});

it.each(all.filter(({ text }) => CLEARED[text] === undefined))('$where: $text does not backtrack', ({ expression }) => {
  const { safe, error } = isSafe(expression);
  expect({ safe, error }).toEqual({ safe: true, error: null });
});
