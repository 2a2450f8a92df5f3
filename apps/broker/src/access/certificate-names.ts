/** One entry of what Node makes of a subject alternative name extension; its value in quotes, as JSON, if it has
 *  characters that could pass for another entry (CVE-2021-44533). */
const ENTRY = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

const KINDS: Readonly<Record<string, string>> = { DNS: 'dns', URI: 'uri', email: 'email' };

/** @param subjectAltName as `X509Certificate` has it, such as `DNS:till.shops.svc, URI:spiffe://cluster/ns/shops`
 *  @returns in the form of `CERTIFICATE_NAME_PATTERN`, without those that are in quotes or of another kind; none at all if
 *  any part of the text is not understood */
export function certificateNames(subjectAltName: string | undefined): string[] {
  if (subjectAltName === undefined || subjectAltName === '') return [];
  const names: string[] = [];
  ENTRY.lastIndex = 0;
  while (ENTRY.lastIndex < subjectAltName.length) {
    const [, label = '', value = ''] = ENTRY.exec(subjectAltName) ?? [];
    if (label === '') return [];
    const kind = KINDS[label];
    if (kind === undefined || value.startsWith('"')) continue;
    names.push(`${kind}:${kind === 'dns' ? value.toLowerCase() : value}`);
  }
  return names;
}
