import type { Environment } from './environment.js';

type Names = readonly (keyof Environment)[];

export const RATES: Names = ['RATE_LIMIT_PER_KEY', 'RATE_LIMIT_PER_CALLER'];

/** Limits that a running server can be given. Those of bodies and headers are fixed when it is made. */
export const SERVER_LIMITS: Names = [
  'HTTP_CONNECTIONS',
  'HTTP_HEADERS_TIMEOUT_MS',
  'HTTP_REQUEST_TIMEOUT_MS',
  'HTTP_KEEP_ALIVE_MS',
];

/** What is taken over without a restart and names no file: the Helm chart writes it into a file that is mounted. */
export const RELOADABLE_VALUES: Names = ['LOG_LEVEL', ...RATES, ...SERVER_LIMITS];
