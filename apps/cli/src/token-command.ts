import type { Command } from 'commander';

import { lines } from './output.js';
import { sessionOf } from './session.js';

/** `token`: what a store service gets. */
export function addTokenCommand(program: Command): void {
  program
    .command('token')
    .summary('get a token, as a store service would')
    .argument('<client>')
    .option('--merchant-vat <vat>', 'DK or FI and 8 digits; by default a token bound to no merchant')
    .option('--show', 'the token itself, and nothing else; by default only what may be seen by everybody')
    .action(async (client: string, { merchantVat, show }: TokenOptions, command: Command) => {
      const { api, output } = await sessionOf(command);
      const { json } = await api.call('POST', '/v1/tokens', { client, merchant_vat: merchantVat });
      const { access_token, ...rest } = json;
      if (show) output.show(json, () => String(access_token));
      else output.show(rest, () => lines(rest));
    });
}

interface TokenOptions {
  readonly merchantVat?: string;
  readonly show?: boolean;
}
