import type { Command } from 'commander';

import { itemsOf, lines } from './output.js';
import { fileBytes, secretFrom } from './secrets.js';
import { sessionOf } from './session.js';

/** `import`, `clients` and `test`: what MobilePay knows us by. */
export function addClientCommands(program: Command): void {
  program
    .command('import')
    .summary('take over the password-locked zip that MobilePay sends')
    .argument('<archive>', 'the zip as it came')
    .option('--name <name>', 'what to call the client here; by default made of its client id')
    .option('--environment <environment>', 'sandbox or production; by default that of the client, else sandbox')
    .option('--dry-run', 'show what would be stored, and store nothing')
    .option('--test', 'store it only if MobilePay gives a token for it')
    .option('--password-file <file>', 'a file with the password, or - for standard input; by default it is asked for')
    .action(async (archive: string, options: ImportOptions, command: Command) => {
      const form = new FormData();
      form.set('archive', new Blob([await fileBytes(archive)]), 'archive.zip');
      form.set('password', await secretFrom(options.passwordFile, 'Password of the archive'));
      if (options.name !== undefined) form.set('name', options.name);
      if (options.environment !== undefined) form.set('environment', options.environment);
      if (options.dryRun) form.set('dry_run', 'true');
      if (options.test) form.set('test', 'true');
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('POST', '/v1/clients/import', form);
      const rows = itemsOf(json).map(({ name, environment, client_id, effect }) => [
        name,
        environment,
        client_id,
        effect ?? 'stored',
      ]);
      output.table(json, ['NAME', 'ENVIRONMENT', 'CLIENT ID', 'EFFECT'], rows);
    });

  program
    .command('test')
    .summary("try a client's secrets at MobilePay, without touching any cached token")
    .argument('<client>')
    .option('--merchant-vat <vat>', 'DK or FI and 8 digits; by default a token bound to no merchant')
    .action(async (client: string, { merchantVat }: { merchantVat?: string }, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('POST', path(client, '/test'), { merchant_vat: merchantVat });
      const rows = itemsOf(json, 'secrets').map((each) => [
        each['fingerprint'],
        each['accepted'],
        each['took_ms'],
        each['detail'],
      ]);
      output.table(json, ['SECRET', 'ACCEPTED', 'MS', 'WHY NOT'], rows);
      if (json['accepted'] !== true) process.exitCode = 1;
    });

  const clients = program.command('clients').description('the integrator clients in the vault');
  clients
    .command('list', { isDefault: true })
    .summary('all of them')
    .action(async (_, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('GET', '/v1/clients');
      const rows = itemsOf(json).map((each) => [
        each['name'],
        each['environment'],
        each['client_id'],
        itemsOf(each, 'secrets')
          .map(({ fingerprint }) => String(fingerprint))
          .join(' '),
        each['enabled'],
      ]);
      output.table(json, ['NAME', 'ENVIRONMENT', 'CLIENT ID', 'SECRETS', 'ENABLED'], rows);
    });
  simple(clients, 'show', 'one of them', 'GET');
  simple(clients, 'enable', 'let it have tokens again', 'PATCH', { enabled: true });
  simple(clients, 'disable', 'no tokens for it, from this moment on', 'PATCH', { enabled: false });
  simple(clients, 'delete', 'remove it and its secrets', 'DELETE');
  clients
    .command('add-secret')
    .summary('a second live secret, for a rotation')
    .argument('<client>')
    .option('--secret-file <file>', 'a file with the secret, or - for standard input; by default it is asked for')
    .action(async (client: string, { secretFile }: { secretFile?: string }, command: Command) => {
      const client_secret = await secretFrom(secretFile, 'Client secret');
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('POST', path(client, '/secrets'), { client_secret });
      output.show(json, () => lines(json));
    });
  clients
    .command('retire-secret')
    .summary('remove one of two secrets')
    .argument('<client>')
    .argument('<fingerprint>')
    .option('--force', 'even if it is the last one that is known to work')
    .action(async (client: string, fingerprint: string, { force }: { force?: boolean }, command: Command) => {
      const { api, output } = await sessionOf(command);
      const where = path(client, `/secrets/${encodeURIComponent(fingerprint)}${force ? '?force=true' : ''}`);
      const { json } = await api.call('DELETE', where);
      output.show(json, () => lines(json));
    });
}

interface ImportOptions {
  readonly name?: string;
  readonly environment?: string;
  readonly dryRun?: boolean;
  readonly test?: boolean;
  readonly passwordFile?: string;
}

function simple(parent: Command, name: string, summary: string, method: string, body?: object): void {
  parent
    .command(name)
    .summary(summary)
    .argument('<client>')
    .action(async (client: string, _, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { json } = await api.call(method, path(client), body);
      output.show(json, () => (method === 'DELETE' ? `${client} is deleted` : lines(json)));
    });
}

function path(client: string, rest = ''): string {
  return `/v1/clients/${encodeURIComponent(client)}${rest}`;
}
