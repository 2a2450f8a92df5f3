import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, delimiter, dirname, join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';

import ignore from '@balena/dockerignore';

import { execForm, readDockerfile, type Stage } from './dockerfile.js';
import { aFolder } from './folder.js';
import { type Checked, checkHealth } from './healthcheck.js';
import { root, type RunningProcess, startProgram } from './processes.js';

const run = promisify(execFile);
/** Where the last stage's base has Node. */
const NODE = '/nodejs/bin/node';
const MOST_OUTPUT = 64 * 1_048_576;

type Env = Record<string, string>;

// Its types tell of a default export, which it has not.
const ignored = (ignore as unknown as typeof ignore.default)().add(readFileSync(join(root, '.dockerignore'), 'utf8'));

/** What the Dockerfile makes, without an engine: each stage is a folder that stands for `/`, in which its own COPY and RUN
 *  instructions are carried out with the programs of this machine. */
export class TestImage {
  /** The last one: what is shipped. */
  readonly stage: Stage;
  /** Its working directory, as it lies here. */
  readonly workdir: string;

  private constructor(
    readonly stages: readonly Stage[],
    private readonly folder: string,
  ) {
    this.stage = stages.at(-1)!;
    this.workdir = join(folder, workdirOf(this.stage));
  }

  static async build(): Promise<TestImage> {
    const folder = aFolder();
    // For whoever the image is run by.
    chmodSync(folder, 0o755);
    const stages = readDockerfile();
    const roots = new Map<string, string>();
    for (const [index, stage] of stages.entries()) {
      const own = join(folder, String(index));
      mkdirSync(own);
      await carryOut(stage, own, roots);
      roots.set(stage.name ?? String(index), own);
    }
    return new TestImage(stages, join(folder, String(stages.length - 1)));
  }

  /** Nobody may change anything in it from now on. */
  seal(): Promise<unknown> {
    return run('chmod', ['-R', 'a-w', this.folder]);
  }

  /** Its owner may again, who removes it. */
  unseal(): Promise<unknown> {
    return run('chmod', ['-R', 'u+w', this.folder]);
  }

  /** Every file and folder: name, size, when it was last changed, rights. */
  async listing(): Promise<string[]> {
    const format = '%P %s %C@ %m\\n';
    const { stdout } = await run('find', [this.folder, '-printf', format], { maxBuffer: MOST_OUTPUT });
    return stdout.trimEnd().split('\n');
  }

  /** Starts it as an engine would: its ENTRYPOINT, its ENV and its user.
   *  @param args instead of its CMD */
  start(env: Env, args = execForm(this.stage.settings['CMD'])): Promise<RunningProcess> {
    const command = this.#here([...execForm(this.stage.settings['ENTRYPOINT']), ...args]);
    return startProgram({ command, env: this.#env(env), cwd: this.workdir, log: join(aFolder(), 'output.log') });
  }

  /** Runs it to its end, with `args` instead of its CMD. */
  async runToEnd(args: readonly string[], env: Env = {}): Promise<string> {
    const [file = '', ...rest] = this.#here([...execForm(this.stage.settings['ENTRYPOINT']), ...args]);
    const { stdout } = await run(file, rest, { cwd: this.workdir, env: this.#env(env) });
    return stdout;
  }

  /** Runs its HEALTHCHECK. */
  check(env: Env): Promise<Checked> {
    return checkHealth(this.#env(env), this.#here(execForm(this.stage.settings['HEALTHCHECK'])), this.workdir);
  }

  /** Without a folder for temporary files, which a read-only container lacks as well. */
  #env(env: Env): Env {
    return { ...this.stage.env, TMPDIR: '/nonexistent', ...env };
  }

  #here([program, ...args]: readonly string[]): string[] {
    if (program !== NODE) throw new Error(`${program}: all that the base can run is ${NODE}`);
    return [...withoutRights(this.stage.settings['USER'] ?? '', this.workdir), process.execPath, ...args];
  }
}

function workdirOf({ steps }: Stage): string {
  return steps.reduce((path, step) => (step.kind === 'workdir' ? resolve(path, step.path) : path), '/');
}

async function carryOut({ steps }: Stage, own: string, roots: ReadonlyMap<string, string>): Promise<void> {
  let workdir = '/';
  for (const step of steps) {
    const at = join(own, workdir);
    switch (step.kind) {
      case 'workdir':
        workdir = resolve(workdir, step.path);
        mkdirSync(join(own, workdir), { recursive: true });
        break;
      case 'run':
        await run('/bin/sh', ['-c', step.shell], { cwd: at, env: buildEnv(), maxBuffer: MOST_OUTPUT });
        break;
      case 'copy': {
        const target = join(own, resolve(workdir, step.target));
        const isFolder = step.target.endsWith('/');
        if (step.sources.length > 1 && !isFolder)
          throw new Error(`COPY of several to ${step.target}, which is no folder`);
        for (const source of step.sources) {
          const to = isFolder ? join(target, basename(source)) : target;
          if (step.from === undefined) copyFromContext(source, to);
          else copyFrom(roots.get(step.from)!, source, to);
        }
        break;
      }
      default:
        throw new Error(`unknown step ${JSON.stringify(step satisfies never)}`);
    }
  }
}

function copyFrom(other: string, source: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(join(other, source), to, { recursive: true, verbatimSymlinks: true });
}

/** Whether `.dockerignore` keeps it from what is built. */
export function isIgnored(path: string): boolean {
  return ignored.ignores(path);
}

function copyFromContext(source: string, to: string): void {
  if (isIgnored(source)) throw new Error(`COPY ${source}: .dockerignore keeps it out`);
  mkdirSync(dirname(to), { recursive: true });
  cpSync(join(root, source), to, { recursive: true, filter: (each) => !isIgnored(relative(root, each)) });
}

/** As little as npm needs: where packages come from; no settings of an npm or a Jest that started this test, and none of the
 *  programs that lie in this project. */
function buildEnv(): NodeJS.ProcessEnv {
  const { PATH = '', HOME, npm_config_registry: registry } = process.env;
  return {
    PATH: [dirname(process.execPath), ...PATH.split(delimiter).filter((each) => !each.startsWith(root))].join(
      delimiter,
    ),
    HOME,
    ...(registry !== undefined && { npm_config_registry: registry }),
    npm_config_cache: join(root, '.cache/npm'),
    npm_config_prefer_offline: 'true',
    npm_config_update_notifier: 'false',
  };
}

/** What to put before a command, so that it is run by the user of the image; nothing if we are not root ourselves.
 *  @param path what it must be able to reach */
function withoutRights(user: string, path: string): string[] {
  if (process.getuid?.() !== 0) return [];
  const [uid, gid] = user.split(':');
  const asUser = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs'];
  if (spawnSync(asUser[0]!, [...asUser.slice(1), 'test', '-x', path]).status === 0) return asUser;
  // The project lies where root alone may enter: root, then, without what makes it root.
  return ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs'];
}
