import fc from 'fast-check';

import { AuditChain, hashOf, Trail, type TrailOptions, type Verdict } from '#audit';

const AT = '2026-01-02T03:04:05.678Z';
const given = (n: number) => ({ caller: 'shop', client: 'acme', merchant_vat: 'DK12345678', token_id: `token-${n}` });

/** A process that writes. */
class Writer {
  readonly chain: AuditChain;
  readonly lines: string[] = [];

  constructor(id: string, after: string | null = null, fields = {}) {
    this.chain = new AuditChain(id, `host-${id}`);
    this.#add(this.chain.start(AT, after, fields));
  }

  write(n: number, fields = {}): string {
    return this.#add(this.chain.next(AT, 'token.given', { ...given(n), ...fields }));
  }

  #add({ text, accept }: ReturnType<AuditChain['next']>): string {
    accept();
    this.lines.push(text.slice(0, -1));
    return text.slice(0, -1);
  }
}

function aChain(id: string, count = 6, after: string | null = null): string[] {
  const writer = new Writer(id, after);
  for (let n = 2; n <= count; n += 1) writer.write(n);
  return writer.lines;
}

const hashIn = (line: string | undefined) => String(JSON.parse(line ?? '{}').hash);
const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');

function verify(files: string | Buffer | readonly string[], options?: TrailOptions): Verdict {
  const trail = new Trail(options);
  for (const [n, file] of (Array.isArray(files) ? files : [files]).entries()) {
    trail.begin(`file-${n}`);
    const bytes = Buffer.from(file);
    // In pieces, as a stream brings them.
    for (let at = 0; at < bytes.length; at += 1_000) trail.push(bytes.subarray(at, at + 1_000));
    trail.end();
  }
  return trail.verdict();
}

const found = (verdict: Verdict) => verdict.problems.map(({ kind, line }) => `${kind} ${line}`);

it('a line is an object of one line, whose hash is that of all before it', () => {
  const [first, second] = aChain('a', 2);
  expect(first).toMatch(
    /^\{"seq":1,"at":"2026-01-02T03:04:05\.678Z","chain":"a","replica":"host-a","event":"audit\.started","prev":null,"hash":"[\w-]{43}"\}$/,
  );
  expect(JSON.parse(second!)).toEqual({
    seq: 2,
    at: AT,
    chain: 'a',
    replica: 'host-a',
    event: 'token.given',
    ...given(2),
    prev: hashIn(first),
    hash: hashOf(second!.slice(0, second!.indexOf(',"hash"'))),
  });
});

it('a line that was not accepted is written again in its place', () => {
  const chain = new AuditChain('a', 'host');
  chain.start(AT, null).accept();
  chain.next(AT, 'lost');
  const second = chain.next(AT, 'kept');
  second.accept();
  expect(JSON.parse(second.text)).toMatchObject({ seq: 2, event: 'kept' });
  expect(JSON.parse(chain.next(AT, 'next').text)).toMatchObject({ seq: 3, prev: hashIn(second.text) });
});

it('a whole trail is fine, and says what there is', () => {
  const lines = aChain('a');
  expect(verify(text(lines))).toEqual({
    isFine: true,
    lines: 6,
    ignored: 0,
    firstAt: AT,
    lastAt: AT,
    chains: [
      { chain: 'a', replica: 'host-a', lines: 6, firstAt: AT, lastAt: AT, lastSeq: 6, lastHash: hashIn(lines.at(-1)) },
    ],
    problems: [],
    problemCount: 0,
  });
  expect(verify('')).toMatchObject({ isFine: true, lines: 0, firstAt: undefined });
});

it.each(['seq', 'at', 'chain', 'replica', 'event', 'caller', 'client', 'merchant_vat', 'token_id', 'prev', 'hash'])(
  'a line whose %s is another is found',
  (name) => {
    const lines = aChain('a');
    const fields = JSON.parse(lines[2]!) as Record<string, unknown>;
    const other = typeof fields[name] === 'number' ? 7 : name === 'hash' || name === 'prev' ? hashOf('x') : 'other';
    lines[2] = JSON.stringify({ ...fields, [name]: other });
    expect(found(verify(text(lines)))[0]).toBe('changed 3');
  },
);

it('a line that was changed, with a hash to match, is found by the next one', () => {
  const lines = aChain('a');
  const content = lines[2]!.slice(0, lines[2]!.indexOf(',"hash"')).replace('shop', 'evil');
  lines[2] = `${content},"hash":"${hashOf(content)}"}`;
  expect(found(verify(text(lines)))).toEqual(['broken 4']);
});

it('a bit that is flipped is found, wherever', () => {
  const bytes = Buffer.from(text(aChain('a', 3)));
  for (let at = 0; at < bytes.length; at += 1) {
    for (const bit of [0, 1, 5, 7]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1 << bit;
      const { isFine, problems } = verify(changed);
      expect([at, bit, isFine]).toEqual([at, bit, false]);
      const inLine = bytes.subarray(0, at).toString('latin1').split('\n').length;
      expect(problems.some(({ line }) => line === inLine)).toBe(true);
    }
  }
});

it.each<[string, (lines: string[]) => unknown, string[]]>([
  ['dropped', (lines) => lines.splice(2, 1), ['missing 3']],
  ['dropped, three of them', (lines) => lines.splice(1, 3), ['missing 2']],
  ['swapped', (lines) => lines.splice(2, 2, lines[3]!, lines[2]!), ['missing 3', 'repeated 4']],
  ['duplicated', (lines) => lines.splice(2, 0, lines[2]!), ['repeated 4']],
  ['put at the end again', (lines) => lines.push(lines[1]!), ['repeated 7']],
  ['of another trail', (lines) => lines.splice(2, 0, aChain('other')[3]!), ['beginning 3']],
  [
    'of another process of that name',
    (lines) => lines.splice(2, 1, aChain('a', 6, hashOf('x'))[2]!),
    ['broken 3', 'broken 4'],
  ],
  ['of no trail', (lines) => lines.splice(2, 0, '{"level":"info"}'), ['alien 3']],
  ['empty', (lines) => lines.splice(2, 0, ''), ['alien 3']],
  ['cut short', (lines) => lines.splice(2, 1, lines[2]!.slice(0, 50)), ['changed 3', 'missing 4']],
  ['the first, dropped', (lines) => lines.shift(), ['beginning 1']],
])('a line that is %s is found', (_, change, problems) => {
  const lines = aChain('a');
  change(lines);
  expect(found(verify(text(lines)))).toEqual(problems);
});

it('a trail cut off in a line is told; cut off between two, only a hash kept elsewhere tells', () => {
  const lines = aChain('a');
  const whole = text(lines);
  const [last] = [hashIn(lines.at(-1))];
  const ends = new Set(lines.map((_, n) => text(lines.slice(0, n)).length));
  for (let length = 1; length < whole.length; length += 1) {
    const cut = verify(whole.slice(0, length));
    expect(cut.problems.map(({ kind }) => kind)).toEqual(ends.has(length) ? [] : ['torn_end']);
    expect(verify(whole.slice(0, length), { expect: [last] }).isFine).toBe(false);
  }
  expect(verify(whole, { expect: [last, hashIn(lines[2])] }).isFine).toBe(true);
  expect(verify(text(lines.slice(0, 5)), { expect: [last] }).problems).toEqual([
    { kind: 'anchor', file: '', line: 0, detail: expect.stringContaining(last) },
  ]);
});

describe('a line that a crash has torn', () => {
  const before = aChain('a', 3);
  const piece = new Writer('a').write(9).slice(0, 60);
  const after = (torn: string) => new Writer('b', hashIn(before.at(-1)), { torn });

  it('is fine if the next start has recorded it', () => {
    expect(verify(text([...before, piece, ...after(hashOf(piece)).lines]))).toMatchObject({ isFine: true, lines: 4 });
    const whole = text(before).slice(0, -1);
    expect(verify(`${whole}\n${text(after(hashOf(before[2]!)).lines)}`).isFine).toBe(true);
  });

  it('is an error if it has not, or another, or there is none', () => {
    expect(found(verify(text([...before, piece, ...aChain('b', 2, hashIn(before[2]))])))).toEqual(['changed 4']);
    expect(found(verify(text([...before, piece, ...after(hashOf('x')).lines])))).toEqual(['changed 4', 'torn 5']);
    expect(found(verify(text([...before, ...after(hashOf(piece)).lines])))).toEqual(['torn 4']);
    expect(found(verify(text([...before, piece, piece, ...after(hashOf(piece)).lines])))).toEqual(['changed 4']);
  });
});

describe('several chains', () => {
  it('may be interleaved, and each begins after the last line that it found', () => {
    const a = new Writer('a');
    const lines = [...a.lines, a.write(2)];
    const b = new Writer('b', hashIn(lines.at(-1)));
    lines.push(...b.lines, a.write(3), b.write(2), b.write(3), a.write(4));
    lines.push(...new Writer('c', hashIn(lines.at(-1))).lines);
    expect(verify(text(lines))).toMatchObject({ isFine: true, lines: 8, chains: [{}, {}, {}] });
    expect(found(verify(text(lines.toSpliced(3, 1))))).toEqual(['missing 6']);
    // The end of a chain is missed by whoever began after it.
    expect(found(verify(text(lines.toSpliced(6, 1))))).toEqual(['beginning 7']);
  });

  it('of several streams begin after nothing', () => {
    expect(verify(text([...aChain('a'), ...aChain('b')]))).toMatchObject({ isFine: true, lines: 12 });
  });
});

describe('several files', () => {
  const lines = aChain('a', 10);
  const [one, two] = [text(lines.slice(0, 4)), text(lines.slice(4))];

  it('go on from one to the next, in their order', () => {
    expect(verify([one, two])).toMatchObject({ isFine: true, lines: 10, chains: [{ lines: 10 }] });
    expect(verify([two, one]).problems[0]).toMatchObject({ kind: 'beginning', file: 'file-0', line: 1 });
  });

  it('a later one alone needs the hash before it', () => {
    expect(found(verify(two))).toEqual(['beginning 1']);
    expect(found(verify(two, { after: [hashOf('x')] }))).toEqual(['beginning 1']);
    expect(verify(two, { after: [hashIn(lines[3])] })).toMatchObject({ isFine: true, lines: 6 });
    const restarted = aChain('b', 3, hashIn(lines[9]));
    expect(verify(text(restarted), { after: [hashIn(lines[9])] }).isFine).toBe(true);
  });
});

describe('among other lines', () => {
  const lines = aChain('a', 4);
  const log = (n: number) => JSON.stringify({ level: 'info', time: AT, event: 'started', n });
  const mixed = lines.flatMap((line, n) => [line, log(n)]);

  it('is fine only where that was said', () => {
    expect(verify(text(['token-broker listening', ...mixed]), { mixed: true })).toMatchObject({
      isFine: true,
      lines: 4,
      ignored: 5,
    });
    expect(verify(text(mixed))).toMatchObject({ isFine: false, problemCount: 4 });
    expect(verify(`${text(mixed)}{"level":"in`, { mixed: true }).isFine).toBe(true);
  });

  it('a line of the trail that became another is missed', () => {
    expect(found(verify(text(mixed.with(2, log(9))), { mixed: true }))).toEqual(['missing 5']);
    expect(found(verify(text(mixed.with(2, lines[1]!.slice(0, 40))), { mixed: true }))).toEqual([
      'changed 3',
      'missing 5',
    ]);
  });
});

it('does not grow with what is no trail at all', () => {
  const junk = Buffer.alloc(1_000_000, 'x');
  const trail = new Trail();
  trail.begin('junk');
  for (let n = 0; n < 20; n += 1) trail.push(junk);
  for (let n = 0; n < 500; n += 1) trail.push(Buffer.from('\n'));
  trail.end();
  expect(trail.verdict()).toMatchObject({ problemCount: 500, problems: { length: 100 } });
});

it('property: whatever is interleaved is fine, and no line in the middle can be changed, dropped, doubled or moved', () => {
  const trails = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 6, maxLength: 40 }).map((turns) => {
    const writers = new Map<number, Writer>();
    const lines: string[] = [];
    // All end with a line that stands behind everything else of theirs.
    for (const who of [...turns, ...new Set(turns)]) {
      const writer = writers.get(who);
      if (writer) lines.push(writer.write(lines.length));
      else
        lines.push(
          ...writers.set(who, new Writer(`c${who}`, lines.length ? hashIn(lines.at(-1)) : null)).get(who)!.lines,
        );
    }
    return lines;
  });
  fc.assert(
    fc.property(trails, fc.nat(), fc.nat(), fc.constantFrom('drop', 'double', 'move', 'change'), (lines, i, j, how) => {
      expect(verify(text(lines))).toMatchObject({ isFine: true, lines: lines.length });
      const chainOf = (line: string) => String(JSON.parse(line).chain);
      const inner = lines.flatMap((line, n) =>
        lines.slice(n + 1).some((l) => chainOf(l) === chainOf(line)) ? [n] : [],
      );
      const at = inner[i % inner.length]!;
      const changed = [...lines];
      const [line = ''] = how === 'double' ? [lines[at]] : changed.splice(at, 1);
      if (how === 'double') changed.splice(at + 1 + (j % (lines.length - at)), 0, line);
      if (how === 'change') changed.splice(at, 0, line.replace(/"replica":"[^"]*"/, `"replica":"x${j}"`));
      if (how === 'move') {
        const last = lines.findLastIndex((each) => chainOf(each) === chainOf(line));
        changed.splice(last, 0, line);
      }
      expect(verify(text(changed)).isFine).toBe(false);
    }),
    { numRuns: 300 },
  );
});
