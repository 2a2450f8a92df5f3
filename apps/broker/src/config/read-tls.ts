import type { TlsConfig } from './broker-config.js';
import type { Environment } from './environment.js';

export function readTls(given: Environment, problems: string[]): TlsConfig | undefined {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CLIENT_CA_FILE: clientCaFile } = given;
  if (certFile === undefined && keyFile === undefined && clientCaFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    problems.push('TLS_CERT_FILE and TLS_KEY_FILE must be set together, and with TLS_CLIENT_CA_FILE');
    return undefined;
  }
  return { certFile, keyFile, clientCaFile };
}
