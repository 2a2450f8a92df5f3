import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

import { Secret } from '#vault';

import type { TlsConfig, TlsFiles } from './broker-config.js';
import type { Environment } from './environment.js';
import { codeOf, readNamed } from './secrets.js';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const BEGIN = /-----BEGIN /g;

export function readTls(given: Environment, problems: string[]): TlsConfig | undefined {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CLIENT_CA_FILE: clientCaFile } = given;
  if (certFile === undefined && keyFile === undefined && clientCaFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    problems.push('TLS_CERT_FILE and TLS_KEY_FILE must be set together, and with TLS_CLIENT_CA_FILE');
    return undefined;
  }
  const cert = readNamed('TLS_CERT_FILE', certFile, problems);
  const key = readNamed('TLS_KEY_FILE', keyFile, problems);
  const files = {
    cert,
    key: key === undefined ? undefined : new Secret(key),
    clientCa: clientCaFile === undefined ? undefined : readNamed('TLS_CLIENT_CA_FILE', clientCaFile, problems),
  };
  problems.push(...tlsProblems(files));
  return { certFile, keyFile, clientCaFile, files };
}

/** Why a server cannot use what the files hold: all of it, by setting and without a value; empty if it can. */
export function tlsProblems({ cert, key, clientCa }: TlsFiles): string[] {
  const problems: string[] = [];
  const chain = cert === undefined ? undefined : certificatesIn(cert);
  const privateKey = key === undefined ? undefined : privateKeyIn(key);
  if (cert !== undefined && !chain)
    problems.push('TLS_CERT_FILE must hold certificates in PEM, the server’s own first');
  if (key !== undefined && !privateKey)
    problems.push('TLS_KEY_FILE must hold a private key in PEM, without a password');
  // With none in it, Node would believe the certificates of every authority that the system knows.
  if (clientCa !== undefined && !certificatesIn(clientCa)) {
    problems.push('TLS_CLIENT_CA_FILE must hold certificates of authorities in PEM');
  }
  if (!chain?.[0] || !privateKey) return problems;
  if (!chain[0].checkPrivateKey(privateKey)) {
    return [...problems, 'TLS_KEY_FILE must hold the key of the first certificate in TLS_CERT_FILE'];
  }
  try {
    createSecureContext(contextOf({ cert, key, clientCa: undefined }));
  } catch (error) {
    problems.push(`TLS_CERT_FILE and TLS_KEY_FILE must be such as OpenSSL takes (${codeOf(error)})`);
  }
  return problems;
}

/** What Node makes a server's TLS of. */
export function contextOf({ cert, key, clientCa }: TlsFiles): SecureContextOptions {
  return { cert, key: key?.reveal(), ca: clientCa, minVersion: 'TLSv1.2' };
}

/** At least one; undefined if there is none, or one that cannot be read or is cut off. */
function certificatesIn(text: string): X509Certificate[] | undefined {
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0 || found.length !== text.match(BEGIN)?.length) return undefined;
  try {
    return found.map((each) => new X509Certificate(each));
  } catch {
    return undefined;
  }
}

function privateKeyIn(text: Secret): KeyObject | undefined {
  try {
    return createPrivateKey(text.reveal());
  } catch {
    return undefined;
  }
}
