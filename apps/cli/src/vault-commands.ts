import { writeFile } from 'node:fs/promises';

import type { Command } from 'commander';

import { KeyRing } from '#vault';

import { CliError, EXIT } from './api.js';
import { itemsOf, lines, Output } from './output.js';
import { fileBytes } from './secrets.js';
import { sessionOf } from './session.js';

/** `keygen`, `rekey`, `backup`, `restore`: the vault as a whole. */
export function addVaultCommands(program: Command): void {
  program
    .command('keygen')
    .summary('make a master key for VAULT_KEYS; needs no broker')
    .argument('[id]', 'its id in the ring', () => undefined)
    .action((_: undefined, __: object, command: Command) => {
      const id = command.args[0] ?? new Date().toISOString().slice(0, 10);
      if (!/^[A-Za-z0-9._-]{1,64}$/.test(id)) throw new CliError('an id has letters, digits and ._-', EXIT.usage);
      const key = KeyRing.generate(id);
      new Output(command.optsWithGlobals<{ json?: boolean }>().json === true).show({ id, key }, () => key);
    });

  program
    .command('rekey')
    .summary('seal every record under the newest master key; stop and go on as you like')
    .action(async (_, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('POST', '/v1/vault/rekey');
      output.show(json, () => lines(json));
    });

  program
    .command('backup')
    .summary('everything in one sealed file, which the same master keys open')
    .argument('<file>', 'where to write it, mode 0600; it must not be there yet')
    .action(async (file: string, _, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { text } = await api.call('GET', '/v1/vault/backup');
      await writeFile(file, text, { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected error';
        throw new CliError(`${file} cannot be written (${code})`, EXIT.usage);
      });
      output.show({ file, bytes: text.length }, () => `${file}: ${text.length} bytes`);
    });

  program
    .command('restore')
    .summary('replace everything in the vault by what a backup holds')
    .argument('<file>')
    .requiredOption('--yes', 'that you mean it')
    .action(async (file: string, _, command: Command) => {
      const form = new FormData();
      form.set('backup', new Blob([await fileBytes(file)]), 'vault.jwe');
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('POST', '/v1/vault/restore', form);
      output.show(json, () => lines(json));
    });

  program
    .command('status')
    .summary('whether the broker may take traffic, what it holds, and how its tokens are')
    .action(async (_, command: Command) => {
      const { api, output } = await sessionOf(command);
      const ready = await api.call('GET', '/health/ready');
      const [clients, tokens] = await Promise.all([
        api.call('GET', '/v1/clients'),
        api.call('GET', '/v1/tokens?limit=1000'),
      ]);
      const states: Record<string, number> = {};
      for (const { state } of itemsOf(tokens.json)) states[String(state)] = (states[String(state)] ?? 0) + 1;
      const status = {
        ready: ready.json['status'],
        ...Object(Object(ready.json['details']).tokens),
        clients: itemsOf(clients.json).length,
        keys: states,
      };
      output.show(status, () => lines(status));
    });
}
