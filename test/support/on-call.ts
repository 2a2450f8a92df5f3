import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { aFolder } from './folder.js';
import { type Block, blocksIn, type Part, setUpBlock } from './guide.js';
import { NAMESPACE } from './kubernetes-api.js';
import { root } from './processes.js';
import { withPrograms } from './programs.js';

const LIMIT_MS = 60_000;

/** What a command must print; with a code if it must not end with 0. */
export type Expected = RegExp | { readonly code: number; readonly said: RegExp };

export interface Circumstances {
  /** In place of what the page says behind `name=`. */
  readonly values?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Answers to questions on the terminal. */
  readonly typed?: Readonly<Record<string, string>>;
}

/** A person with the page and a shell: runs its blocks one after the other, each in a bash of its own after the set-up
 *  block, as they stand. Only values that the page leaves to its reader are replaced. */
export class OnCall {
  /** Where the commands run; the project's `dist` is in it. */
  readonly folder = aFolder();
  readonly #left: Block[];

  private constructor(
    part: Part,
    private readonly env: NodeJS.ProcessEnv,
    private readonly values: Readonly<Record<string, string>>,
  ) {
    this.#left = blocksIn(part);
    symlinkSync(join(root, 'dist'), join(this.folder, 'dist'));
  }

  /** @param values as in `Circumstances`, for every block
   *  @param env what the shells have besides their programs */
  static async start(
    part: Part,
    values: Readonly<Record<string, string>>,
    env: Readonly<Record<string, string>>,
  ): Promise<OnCall> {
    return new OnCall(part, { ...(await withPrograms()), ...env }, { namespace: NAMESPACE, ...values });
  }

  /** What nobody has run yet. */
  get left(): readonly Block[] {
    return this.#left;
  }

  write(file: string, text: string | Uint8Array): void {
    writeFileSync(join(this.folder, file), text, { mode: 0o600 });
  }

  /** Runs the next block of a section, which must have so many commands.
   *  @param expected of each command, in their order
   *  @returns what each has printed */
  async run(section: string, expected: readonly Expected[], circumstances: Circumstances = {}): Promise<string[]> {
    const index = this.#left.findIndex((each) => each.section === section);
    if (index < 0) throw new Error(`the section ${section} has no more commands`);
    const block = this.#left.splice(index, 1)[0]!;
    const { page, line, commands } = block;
    const place = `${page}:${line}`;
    expect({ place, commands: commands.length }).toEqual({ place, commands: expected.length });
    const values = { ...this.values, ...circumstances.values };
    const said = `${setUpBlock().text}\n${block.text}`;
    for (const name of Object.keys(circumstances.values ?? {})) expect(said).toMatch(new RegExp(`^${name}=`, 'm'));
    const marker = `--- ${randomBytes(8).toString('hex')} `;
    const script = [
      'exec 2>&1 < /dev/' + (circumstances.typed ? 'tty' : 'null'),
      'set -euo pipefail',
      ...setUpBlock().commands.map((command) => withValues(command, values)),
      ...commands.flatMap((command, n) => [
        `printf '\\n%s\\n' '${marker}${n}'`,
        grouped(withValues(command, values), expected[n]!),
      ]),
      `printf '\\n%s\\n' '${marker}end'`,
    ];
    const name = `block-${line}.sh`;
    this.write(name, `${script.join('\n')}\n`);
    const output = await this.#bash(name, circumstances);
    const printed = output
      .split('\n' + marker)
      .slice(1)
      .map((text) => text.slice(text.indexOf('\n') + 1));
    if (!output.includes(`${marker}end`)) throw new Error(`${place}: a command has failed\n${output}`);
    for (const [n, each] of expected.entries()) {
      const wanted = each instanceof RegExp ? each : each.said;
      if (!wanted.test(printed[n] ?? '')) {
        throw new Error(`${place}: ${commands[n]}\nprinted, against ${wanted}:\n${printed[n]}`);
      }
    }
    return printed.slice(0, -1);
  }

  async #bash(script: string, { env, typed }: Circumstances): Promise<string> {
    const [program, args] = typed
      ? ['script', ['--quiet', '--return', '--command', `bash ${script}`, '/dev/null']]
      : ['bash', [script]];
    const child = spawn(program, args, {
      cwd: this.folder,
      env: { HOME: this.folder, ...this.env, ...env },
      timeout: LIMIT_MS,
    });
    let [output, asked] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const clean = text.replaceAll('\r', '');
      output += clean;
      asked += clean;
      for (const [question, answer] of Object.entries(typed ?? {})) {
        if (!asked.includes(question)) continue;
        asked = '';
        child.stdin.write(`${answer}\r`);
      }
    });
    await once(child, 'close');
    return output;
  }
}

/** With an end to `set -e` where it is to fail. */
function grouped(command: string, expected: Expected): string {
  return expected instanceof RegExp ? command : `{ ${command}\n} || test "$?" = ${expected.code}`;
}

function withValues(command: string, values: Readonly<Record<string, string>>): string {
  const [, name = ''] = /^(\w+)=[^\n]*$/.exec(command) ?? [];
  const value = values[name];
  return value === undefined ? command : `${name}='${value}'`;
}
