import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { aFolder } from './folder.js';

/** A certificate that signs itself, for 127.0.0.1 or for another name, good for a day. Needs openssl. */
export function aCertificate(subjectAltName = 'IP:127.0.0.1'): { key: string; cert: string } {
  const folder = aFolder();
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const what = ['-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=test'];
  const where = ['-addext', `subjectAltName=${subjectAltName}`, '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', ...what, ...where], { stdio: 'pipe' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}
