import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { RunningBroker } from './broker.js';
import { aFolder } from './folder.js';
import { eventually } from './processes.js';

/** A line of a broker's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** How a broker is told that its settings have changed. */
export type Told = 'file' | 'signal';

/** The files that settings are read from while a broker runs: a settings file, master keys, issuers of JWTs. */
export class SettingsFiles {
  readonly folder = aFolder();
  #isLinked = false;

  /** @param lines the settings file's, by name
   *  @param keys the ring of master keys */
  constructor(
    public lines: Readonly<Record<string, string | number>>,
    public keys: string,
    public issuers: readonly object[] = [],
  ) {
    this.write();
  }

  /** What a broker is started with that reads them. */
  get env(): Record<string, string> {
    return { SETTINGS_FILE: this.path('settings') };
  }

  path(name: 'settings' | 'keys' | 'issuers'): string {
    return join(this.folder, name);
  }

  /** As they are to be now, one after the other. */
  write(): void {
    for (const [name, text] of this.#texts) writeFileSync(this.path(name), text);
  }

  /** The same as Kubernetes does it: into a new folder, to which a link is then swapped. */
  swap(): void {
    const name = `..${process.hrtime.bigint()}`;
    mkdirSync(join(this.folder, name));
    for (const [file, text] of this.#texts) writeFileSync(join(this.folder, name, file), text);
    symlinkSync(name, join(this.folder, '..data_tmp'));
    renameSync(join(this.folder, '..data_tmp'), join(this.folder, '..data'));
    if (this.#isLinked) return;
    this.#isLinked = true;
    for (const [file] of this.#texts) {
      rmSync(this.path(file));
      symlinkSync(`..data/${file}`, this.path(file));
    }
  }

  get #texts() {
    const all = { ...this.lines, VAULT_KEYS_FILE: this.path('keys'), CALLER_JWT_ISSUERS_FILE: this.path('issuers') };
    const settings = Object.entries(all).map(([name, value]) => `${name}=${value}\n`);
    return new Map([
      ['settings', settings.join('')],
      ['keys', this.keys],
      ['issuers', JSON.stringify(this.issuers)],
    ] as const);
  }
}

/** What a broker has logged of its settings. */
export class SettingsLog {
  constructor(private readonly broker: RunningBroker) {}

  /** @param from how many are left out */
  of(event: string, from = 0): LogLine[] {
    return this.broker.process
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine)
      .filter((line) => line['event'] === `settings_${event}`)
      .slice(from);
  }

  /** Does something, and waits until the broker has logged such a line. */
  async after(act: () => void, event = 'reloaded'): Promise<LogLine> {
    const { length } = this.of(event);
    act();
    return eventually(() => this.of(event, length)[0], 6_000);
  }

  /** Changes the files, and waits until that is taken over.
   *  @returns what was logged of it */
  async change(files: SettingsFiles, told: Told = 'file', event = 'reloaded'): Promise<LogLine> {
    return this.after(() => {
      files.write();
      if (told === 'signal') this.hangUp();
    }, event);
  }

  hangUp(): void {
    this.broker.process.child.kill('SIGHUP');
  }
}
