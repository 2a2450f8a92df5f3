#!/usr/bin/env node
import { Command, CommanderError } from 'commander';

import { CliError, EXIT } from './api.js';
import { addAuditCommands } from './audit-commands.js';
import { addCallerCommands } from './caller-commands.js';
import { addClientCommands } from './client-commands.js';
import { addTokenCommand } from './token-command.js';
import { addVaultCommands } from './vault-commands.js';

const HELP = `
The caller key is read from --key-file, from the environment variable TOKEN_BROKER_KEY, or from data/admin.key, where
\`npm start\` has left it. Secrets are never taken from the command line.

Exit codes: 0 done; ${EXIT.refused} refused, or not accepted; ${EXIT.usage} wrong usage; ${EXIT.unreachable} no broker there; ${EXIT.unauthorized} key unknown, or not allowed.`;

const program = new Command('token-broker')
  .description('Talks to a running token broker: clients, callers, tokens, the vault.')
  .option('--url <url>', 'where the broker is', process.env['TOKEN_BROKER_URL'] ?? 'http://127.0.0.1:3000')
  .option('--key-file <file>', 'a file with the caller key, or - for standard input')
  .option('--json', 'answers as JSON')
  .addHelpText('after', HELP)
  .showHelpAfterError('(see --help)')
  // Behind the "=" of an option that is none may stand a secret.
  .configureOutput({
    outputError: (text, write) => write(text.includes('=') ? `${text.split('=', 1).join()}'\n` : text),
  })
  .exitOverride();

addClientCommands(program);
addCallerCommands(program);
addTokenCommand(program);
addVaultCommands(program);
addAuditCommands(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  // Commander has said what is wrong, or shown its help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (!(error instanceof CliError)) throw error;
  const isJson = program.opts<{ json?: boolean }>().json === true;
  process.stderr.write(`${isJson && error.problem !== undefined ? JSON.stringify(error.problem) : error.message}\n`);
  return error.exitCode;
}
