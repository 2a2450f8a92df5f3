import type { Command } from 'commander';

import { CliError, EXIT } from './api.js';
import { type Fields, itemsOf, lines } from './output.js';
import { sessionOf } from './session.js';

/** `callers`: who may have which token. */
export function addCallerCommands(program: Command): void {
  const callers = program.command('callers').description('store services and people, and their keys');
  callers
    .command('list', { isDefault: true })
    .summary('all of them')
    .action(async (_, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('GET', '/v1/callers');
      const rows = itemsOf(json).map((each) => [
        each['name'],
        listed(each['roles']),
        itemsOf(each, 'grants')
          .map(({ client }) => String(client))
          .join(' '),
        itemsOf(each, 'keys').map(shownKey).join(' '),
      ]);
      output.table(json, ['NAME', 'ROLES', 'GRANTS', 'KEYS'], rows);
    });
  callers
    .command('put')
    .summary('create one, or replace all but its keys')
    .argument('<caller>')
    .requiredOption('--role <role...>', 'token, ops or admin')
    .option('--grant <grant...>', 'client=merchants, such as acme=DK12345678,FI* or acme-*=*; client= for none')
    .option('--unrestricted', 'with tokens bound to no merchant as well')
    .option('--certificate-name <name...>', 'of client certificates: uri:spiffe://…, dns:… or email:…, exactly')
    .action(async (caller: string, options: PutOptions, command: Command) => {
      const grants = (options.grant ?? []).map((grant) => readGrant(grant, options.unrestricted === true));
      const { api, output } = await sessionOf(command);
      const body = { roles: options.role, grants, certificate_names: options.certificateName ?? [] };
      const { json } = await api.call('PUT', path(caller), body);
      output.show(json, () => lines(json));
    });
  callers
    .command('can')
    .summary('whether one may have a token, and which grant says so; ends with 1 if not')
    .argument('<caller>')
    .argument('<client>')
    .option('--merchant-vat <vat>', 'the merchant; without, a token bound to none')
    .action(async (caller: string, client: string, { merchantVat }: { merchantVat?: string }, command: Command) => {
      const { api, output } = await sessionOf(command);
      const query = new URLSearchParams({ client, ...(merchantVat !== undefined && { merchant_vat: merchantVat }) });
      const { json } = await api.call('GET', path(caller, `/can?${query.toString()}`));
      output.show(json, () => lines(json));
      if (json['allowed'] !== true) process.exitCode = EXIT.refused;
    });
  callers
    .command('delete')
    .summary('remove one and its keys')
    .argument('<caller>')
    .action(async (caller: string, _, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('DELETE', path(caller));
      output.show(json, () => `${caller} is deleted`);
    });
  callers
    .command('add-key')
    .summary('make a key; it is shown this once')
    .argument('<caller>')
    .option('--expires-in <seconds>', 'how long it is good for; by default for ever')
    .action(async (caller: string, { expiresIn }: { expiresIn?: string }, command: Command) => {
      const { api, output } = await sessionOf(command);
      const body = expiresIn === undefined ? {} : { expires_in: Number(expiresIn) };
      const { json } = await api.call('POST', path(caller, '/keys'), body);
      output.show(json, () => String(json['key']));
    });
  callers
    .command('revoke-key')
    .summary('a key that is good for nothing from this moment on')
    .argument('<caller>')
    .argument('<id>')
    .action(async (caller: string, id: string, _, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('DELETE', path(caller, `/keys/${encodeURIComponent(id)}`));
      output.show(json, () => `key ${id} of ${caller} is revoked`);
    });
}

/** Its id, and the day on which it was last used. */
function shownKey({ id, last_used_at }: Fields): string {
  const use = typeof last_used_at === 'string' ? `used ${last_used_at.slice(0, 10)}` : 'never used';
  return `${String(id)} (${use})`;
}

interface PutOptions {
  readonly role: string[];
  readonly grant?: string[];
  readonly unrestricted?: boolean;
  readonly certificateName?: string[];
}

function readGrant(text: string, unrestricted: boolean) {
  const at = text.indexOf('=');
  if (at < 1) throw new CliError('a grant is client=merchants, such as acme=DK12345678,FI*', EXIT.usage);
  const merchants = text
    .slice(at + 1)
    .split(',')
    .filter((each) => each !== '');
  return { client: text.slice(0, at), merchants, unrestricted };
}

function path(caller: string, rest = ''): string {
  return `/v1/callers/${encodeURIComponent(caller)}${rest}`;
}

function listed(value: unknown): string {
  return Array.isArray(value) ? value.join(' ') : '';
}
