import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
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

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** What a certificate is to say. */
export interface CertificateWish {
  /** Subject alternative names, such as `DNS:till.shops.svc`; what stands behind the first colon is taken as it is. */
  readonly names?: readonly string[];
  readonly from?: Date;
  readonly to?: Date;
  readonly usage?: 'clientAuth' | 'serverAuth';
}

/** An authority of the tests. Needs openssl. */
export class TestAuthority {
  readonly cert: string;
  readonly #folder = aFolder();
  #issued = 0;

  constructor(name = 'Test authority') {
    const [key, cert] = [join(this.#folder, 'ca.key'), join(this.#folder, 'ca.pem')];
    this.#openssl('req', '-x509', ...newKey(key), '-days', '1', '-subj', `/CN=${name}`, '-out', cert);
    this.cert = readFileSync(cert, 'utf8');
    writeFileSync(join(this.#folder, 'index.txt'), '');
  }

  /** By default without names, good from a minute ago for a day, and for anything. */
  issue({ names = [], from = minutesFromNow(-1), to = minutesFromNow(1_440), usage }: CertificateWish): Certificate {
    this.#issued += 1;
    const [key, request, config, cert] = ['key', 'csr', 'cnf', 'pem'].map((end) =>
      join(this.#folder, `${this.#issued}.${end}`),
    ) as [string, string, string, string];
    this.#openssl('req', '-new', ...newKey(key), '-subj', '/CN=till.shops.svc', '-out', request);
    writeFileSync(config, this.#config(names, usage));
    const dates = ['-startdate', asn1Date(from), '-enddate', asn1Date(to)];
    this.#openssl('ca', '-batch', '-notext', '-config', config, '-in', request, '-out', cert, ...dates);
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  }

  #config(names: readonly string[], usage: CertificateWish['usage']): string {
    const listed = names.map((name, i) => {
      const at = name.indexOf(':');
      return `${name.slice(0, at)}.${i} = "${name.slice(at + 1).replaceAll(/["\\]/g, '\\$&')}"`;
    });
    return [
      '[ca]\ndefault_ca = ours\n[ours]',
      ...['database = index.txt', 'certificate = ca.pem', 'private_key = ca.key'].map((line) =>
        line.replace('= ', `= ${this.#folder}/`),
      ),
      `new_certs_dir = ${this.#folder}`,
      'default_md = sha256\nrand_serial = yes\nunique_subject = no\npolicy = any\nx509_extensions = ext',
      '[any]\ncommonName = optional\n[ext]\nbasicConstraints = CA:FALSE',
      usage ? `extendedKeyUsage = ${usage}` : '',
      ...(listed.length > 0 ? ['subjectAltName = @names\n[names]', ...listed] : []),
    ].join('\n');
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}

export function minutesFromNow(minutes: number): Date {
  return new Date(Date.now() + minutes * 60_000);
}

function newKey(path: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path];
}

/** As `openssl ca` takes it: `20260102030405Z`. */
function asn1Date(date: Date): string {
  return `${date.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
}
