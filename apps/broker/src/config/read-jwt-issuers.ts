import type { JwtIssuerConfig } from './broker-config.js';
import type { Environment } from './environment.js';

export function readJwtIssuers(_: Environment, __: string[]): JwtIssuerConfig[] {
  return [];
}
