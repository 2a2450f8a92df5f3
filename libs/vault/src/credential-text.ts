import { parse as parseCsv } from 'csv-parse/sync';

/** Credentials as they were found in a text. */
export interface FoundCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** What the reader looks for, in words for a person whose archive had none of it. */
export const LOOKED_FOR =
  'JSON, CSV with a header, or lines like "client_id=…", "client_secret: …" or "Client ID: …", in UTF-8 or UTF-16';

/**
 * Finds client credentials in a text of unknown layout: how MobilePay lays its files out is not documented.
 * @returns every pair found, in order; empty if there is none
 */
export function readCredentials(text: string): FoundCredentials[] {
  for (const read of [fromJson, fromCsv, fromLines]) {
    const found = read(text);
    if (found.length > 0) return found;
  }
  return [];
}

/** @returns undefined if the bytes are not text in UTF-8 or UTF-16 */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
    return text.includes('\0') ? undefined : text;
  } catch {
    return undefined;
  }
}

function encodingOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  // Without a byte order mark: the first character of any of the layouts is ASCII.
  if (first === 0 && second !== 0) return 'utf-16be';
  if (first !== 0 && second === 0) return 'utf-16le';
  return 'utf-8';
}

type Part = keyof FoundCredentials;

/** `MOBILEPAY_CLIENT_ID`, `Client ID`, `clientId`, `your client secret`: what matters is how the label ends. */
function partOf(label: string): Part | undefined {
  const bare = label.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  if (bare.length > 60) return undefined;
  if (bare.endsWith('clientid') && !bare.endsWith('ibmclientid')) return 'clientId';
  return bare.endsWith('clientsecret') || bare === 'secret' ? 'clientSecret' : undefined;
}

/** Puts an id and a secret together as they come; a second id begins a second pair. */
class Pairs {
  readonly found: FoundCredentials[] = [];
  #open: Partial<FoundCredentials> = {};

  add(part: Part, value: string): void {
    if (value === '') return;
    if (this.#open[part] !== undefined) this.#open = {};
    this.#open = { ...this.#open, [part]: value };
    const { clientId, clientSecret } = this.#open;
    if (clientId === undefined || clientSecret === undefined) return;
    this.found.push({ clientId, clientSecret });
    this.#open = {};
  }
}

const DEEPEST_JSON = 8;

function fromJson(text: string): FoundCredentials[] {
  const pairs = new Pairs();
  try {
    visit(JSON.parse(text), DEEPEST_JSON, pairs);
  } catch {
    return [];
  }
  return pairs.found;
}

function visit(value: unknown, depth: number, pairs: Pairs): void {
  if (typeof value !== 'object' || value === null || depth === 0) return;
  for (const [label, inner] of Object.entries(value)) {
    const part = partOf(label);
    if (part && typeof inner === 'string') pairs.add(part, inner);
    else visit(inner, depth - 1, pairs);
  }
}

function fromCsv(text: string): FoundCredentials[] {
  const [header = ''] = text.split(/\r?\n/, 1);
  const delimiter = [',', ';', '\t'].find((candidate) => {
    const parts = new Set(header.split(candidate).map(partOf));
    return parts.has('clientId') && parts.has('clientSecret');
  });
  if (delimiter === undefined) return [];
  try {
    const rows: string[][] = parseCsv(text, { delimiter, skip_empty_lines: true, relax_column_count: true });
    const parts = (rows[0] ?? []).map(partOf);
    const pairs = new Pairs();
    for (const row of rows.slice(1)) {
      const value = (part: Part) => row[parts.indexOf(part)] ?? '';
      pairs.add('clientId', value('clientId'));
      pairs.add('clientSecret', value('clientSecret'));
    }
    return pairs.found;
  } catch {
    return [];
  }
}

const LONGEST_LINE = 2_000;
const LINE = /^(?:export\s+)?["']?([\p{L}\p{N} ._-]{1,80}?)["']?\s*[:=\t](.*)$/u;

function fromLines(text: string): FoundCredentials[] {
  const pairs = new Pairs();
  let labelAbove: Part | undefined;
  for (const line of text.split(/\r\n|\r|\n/).map((each) => each.trim())) {
    if (line === '' || line.startsWith('#') || line.length > LONGEST_LINE) continue;
    const [, label, rest = ''] = LINE.exec(line) ?? [];
    const part = label === undefined ? partOfBareLabel(line) : partOf(label);
    const value = unquoted(rest.trim());
    if (part && value !== '') pairs.add(part, value);
    else if (!part && labelAbove && !/\s/.test(line)) pairs.add(labelAbove, unquoted(line));
    labelAbove = value === '' ? part : undefined;
  }
  return pairs.found;
}

/** A label alone on its line, its value on the next. A whole sentence is none, though it may end like one. */
function partOfBareLabel(line: string): Part | undefined {
  return line.length <= 30 ? partOf(line) : undefined;
}

function unquoted(value: string): string {
  const quote = value[0];
  return value.length >= 2 && (quote === '"' || quote === "'") && value.endsWith(quote) ? value.slice(1, -1) : value;
}
