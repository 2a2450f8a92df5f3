import { createReadStream } from 'node:fs';

import { type Command, InvalidArgumentError } from 'commander';

import { type AuditLine, isHash, LineSplitter, readLine, Trail, type Verdict } from '#audit';

import { CliError, EXIT } from './api.js';
import { Output } from './output.js';

/** Standard input, among files. */
const STDIN = '-';

/** `audit`: whether a trail is whole, and who had which token. Needs no broker. */
export function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('the audit trail, as the broker has written it; needs no broker');
  audit
    .command('verify')
    .summary('whether every line is there, as it was written')
    .argument('[files...]', 'in their order, or - for standard input, which is the default')
    .option('--after <hash>', 'the first file begins after this line; once for each chain in it', hashes, [])
    .option('--expect <hash>', 'this line must be there: the last hash that an earlier check has shown', hashes, [])
    .option('--mixed', 'other lines stand between, such as the log on the same standard output')
    .action(async (files: string[], options: VerifyOptions, command: Command) => {
      const trail = new Trail(options);
      for (const file of sourcesOf(files)) {
        trail.begin(file);
        await eachPiece(file, (piece) => trail.push(piece));
        trail.end();
      }
      const verdict = trail.verdict();
      outputOf(command).show(shown(verdict), () => asText(verdict));
      if (!verdict.isFine) process.exitCode = EXIT.refused;
    });
  audit
    .command('who')
    .summary('who had a token')
    // A token_id may begin with a "-".
    .allowUnknownOption()
    .argument('<token_id>', 'its fingerprint, such as POST /v1/tokens answers it')
    .argument('[files...]', 'as for verify')
    .action(async (tokenId: string, files: string[], _, command: Command) => {
      const given: AuditLine[] = [];
      for (const file of sourcesOf(files)) {
        const splitter = new LineSplitter();
        const take = (bytes: Buffer) => {
          const line = readLine(bytes);
          if (line?.intact && line.event === 'token.given' && line.fields['token_id'] === tokenId) given.push(line);
        };
        await eachPiece(file, (piece) => splitter.push(piece, take));
      }
      const items = given.map(({ fields }) => fields);
      const columns = ['at', 'caller', 'client', 'merchant_vat', 'scope', 'address', 'replica', 'source'];
      const rows = items.map((fields) => columns.map((name) => fields[name]));
      const header = columns.map((name) => name.toUpperCase().replace('_', ' '));
      outputOf(command).table({ token_id: tokenId, items }, header, rows);
      if (items.length === 0) process.exitCode = EXIT.refused;
    });
}

interface VerifyOptions {
  readonly after: string[];
  readonly expect: string[];
  readonly mixed?: boolean;
}

function hashes(hash: string, before: readonly string[]): string[] {
  if (!isHash(hash)) throw new InvalidArgumentError('a hash has 43 characters');
  return [...before, hash];
}

function sourcesOf(files: readonly string[]): readonly string[] {
  if (files.length > 0) return files;
  if (process.stdin.isTTY) throw new CliError('name the files of the trail, or pipe them in', EXIT.usage);
  return [STDIN];
}

async function eachPiece(file: string, take: (piece: Buffer) => void): Promise<void> {
  const stream: AsyncIterable<Buffer> = file === STDIN ? process.stdin : createReadStream(file);
  try {
    for await (const piece of stream) take(piece);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error && 'code' in error)) throw error;
    throw new CliError(`${file} cannot be read (${String(error.code)})`, EXIT.usage);
  }
}

function outputOf(command: Command): Output {
  return new Output(command.optsWithGlobals<{ json?: boolean }>().json === true);
}

function shown({ isFine, lines, ignored, firstAt, lastAt, chains, problems, problemCount }: Verdict) {
  return {
    fine: isFine,
    lines,
    ignored,
    first_at: firstAt,
    last_at: lastAt,
    chains: chains.map((each) => ({
      chain: each.chain,
      replica: each.replica,
      lines: each.lines,
      first_at: each.firstAt,
      last_at: each.lastAt,
      last_seq: each.lastSeq,
      last_hash: each.lastHash,
    })),
    problems,
    problem_count: problemCount,
  };
}

function asText({ isFine, lines, ignored, firstAt, lastAt, chains, problems, problemCount }: Verdict): string {
  const between = firstAt === undefined ? '' : `, from ${firstAt} to ${lastAt}`;
  const others = ignored > 0 ? `, ${ignored} other lines` : '';
  const more = problemCount > problems.length ? [`… and ${problemCount - problems.length} more`] : [];
  return [
    `${isFine ? 'fine' : 'NOT FINE'}: ${lines} lines in ${chains.length} chains${others}${between}`,
    ...problems.map(({ file, line, detail }) => (line === 0 ? detail : `${file}:${line}: ${detail}`)),
    ...more,
    ...chains.map(
      (each) => `chain ${each.chain} of ${each.replica}: ${each.lines} lines, no. ${each.lastSeq} is ${each.lastHash}`,
    ),
  ].join('\n');
}
