import 'reflect-metadata';

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { aCertificate } from '../../../../test/support/certificates.js';
import { aFolder } from '../../../../test/support/folder.js';
import type { JwtIssuerConfig } from './broker-config.js';
import { Environment } from './environment.js';
import { JWT_ALGORITHMS } from './jwt-issuers-file.js';
import { readJwtIssuers } from './read-jwt-issuers.js';

const rule = { caller: 'till', subject: 'system:serviceaccount:shops:till' };
const issuer = {
  issuer: 'https://kubernetes.default.svc.cluster.local',
  audience: 'token-broker',
  jwks_url: 'https://kubernetes.default.svc/openid/v1/jwks',
  callers: [rule],
};

function read(content: unknown, more: Partial<Environment> = {}): { issuers: JwtIssuerConfig[]; problems: string[] } {
  const path = join(aFolder(), 'issuers.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  const problems: string[] = [];
  const given = Object.assign(new Environment(), { CALLER_JWT_ISSUERS_FILE: path, ...more });
  return { issuers: readJwtIssuers(given, problems), problems };
}

const problemsOf = (content: unknown, more?: Partial<Environment>) => read(content, more).problems;

describe('the file of the JWT issuers', () => {
  it('is not needed', () => {
    const problems: string[] = [];
    expect([readJwtIssuers(new Environment(), problems), problems]).toEqual([[], []]);
    expect(read([])).toEqual({ issuers: [], problems: [] });
  });

  it('says what it must, and the rest has defaults', () => {
    expect(read([issuer])).toEqual({
      problems: [],
      issuers: [
        {
          issuer: issuer.issuer,
          audiences: ['token-broker'],
          jwksUrl: issuer.jwks_url,
          jwksCaFile: undefined,
          jwksTokenFile: undefined,
          algorithms: JWT_ALGORITHMS,
          callers: [{ ...rule, claims: {} }],
        },
      ],
    });
  });

  it('may say all that there is', () => {
    const folder = aFolder();
    const [ca, token] = [join(folder, 'ca.crt'), join(folder, 'token')];
    writeFileSync(ca, aCertificate().cert);
    writeFileSync(token, 'a-token');
    const full = {
      ...issuer,
      audience: ['a', 'b'],
      jwks_ca_file: ca,
      jwks_token_file: token,
      algorithms: ['ES256', 'Ed25519'],
      callers: [rule, { caller: 'ops', subject: '*', claims: { '/kubernetes.io/namespace': 'ops', '/a~1b~0': 'x' } }],
    };
    expect(read([full])).toEqual({
      problems: [],
      issuers: [
        expect.objectContaining({
          audiences: ['a', 'b'],
          jwksCaFile: ca,
          jwksTokenFile: token,
          algorithms: ['ES256', 'Ed25519'],
          callers: [{ ...rule, claims: {} }, full.callers[1]],
        }),
      ],
    });
  });

  it('must be there, and a list in JSON', () => {
    expect(problemsOf([], { CALLER_JWT_ISSUERS_FILE: '/nowhere' })).toEqual([
      'CALLER_JWT_ISSUERS_FILE must name a file that can be read (ENOENT)',
    ]);
    for (const content of ['', '{', '{}', 'null', '"x"', `[${'['.repeat(100_000)}`]) {
      expect(problemsOf(content)).toEqual(['CALLER_JWT_ISSUERS_FILE must hold a list of issuers in JSON']);
    }
  });

  it.each<[object | null, string[]]>([
    [null, ['/issuer', '/audience', '/jwks_url', '/callers']],
    [['canary'], ['/issuer', '/audience', '/jwks_url', '/callers']],
    [{}, ['/issuer', '/audience', '/jwks_url', '/callers']],
    [{ ...issuer, issuer: '', audience: [], jwks_url: 'canary' }, ['/issuer', '/audience', '/jwks_url']],
    [{ ...issuer, issuer: ['canary'], audience: ['a', 1] }, ['/issuer', '/audience']],
    [{ ...issuer, jwks_url: 'ftp://canary' }, ['/jwks_url']],
    [{ ...issuer, jwks_url: 'https://canary:canary@a.example' }, ['/jwks_url']],
    [{ ...issuer, jwks_ca_file: null, jwks_token_file: 7 }, ['/jwks_ca_file', '/jwks_token_file']],
    [{ ...issuer, jwks_ca_file: '/canary', jwks_token_file: '/canary' }, ['/jwks_token_file', '/jwks_ca_file']],
    [{ ...issuer, jwks_ca_file: import.meta.filename }, ['/jwks_ca_file']],
    [{ ...issuer, algorithms: ['RS256', 'HS256'] }, ['/algorithms']],
    [{ ...issuer, algorithms: [] }, ['/algorithms']],
    [{ ...issuer, algorithms: ['none'] }, ['/algorithms']],
    [{ ...issuer, callers: [] }, ['/callers']],
    [{ ...issuer, callers: rule }, ['/callers']],
    [{ ...issuer, callers: [rule, null] }, ['/callers']],
    [{ ...issuer, callers: [rule, {}] }, ['/callers/1/caller', '/callers/1/subject']],
    [{ ...issuer, callers: [{ ...rule, caller: '@admin' }] }, ['/callers/0/caller']],
    [{ ...issuer, callers: [{ ...rule, subject: 'canary*canary' }] }, ['/callers/0/subject']],
    [{ ...issuer, callers: [{ ...rule, subject: 'canary**' }] }, ['/callers/0/subject']],
    [{ ...issuer, callers: [{ ...rule, claims: { canary: 'x' } }] }, ['/callers/0/claims']],
    [{ ...issuer, callers: [{ ...rule, claims: { '/a~2': 'x' } }] }, ['/callers/0/claims']],
    [{ ...issuer, callers: [{ ...rule, claims: { '/a': 1 } }] }, ['/callers/0/claims']],
    [{ ...issuer, callers: [{ ...rule, claims: ['/a'] }] }, ['/callers/0/claims']],
    [{ ...issuer, canary: 1, canary2: 2 }, ['']],
    [{ ...issuer, callers: [{ ...rule, canary: 1 }] }, ['/callers/0']],
  ])('%j is complained about by place, and never by value', (content, places) => {
    const problems = problemsOf([{ ...issuer, issuer: 'another' }, content]);
    expect(problems).toEqual(
      places.map((place) => expect.stringMatching(new RegExp(`^CALLER_JWT_ISSUERS_FILE: /1${place} must `))),
    );
    expect(problems.join()).not.toContain('canary');
  });

  it('must name each issuer once', () => {
    expect(problemsOf([issuer, issuer])).toEqual(['CALLER_JWT_ISSUERS_FILE must name each issuer once']);
  });

  it('must not have keys fetched over plain http from elsewhere, in production', () => {
    const at = (jwks_url: string) => [{ ...issuer, jwks_url }];
    const production = { NODE_ENV: 'production' } as const;
    expect(problemsOf(at('http://issuer.example/keys'), production)).toEqual([
      'CALLER_JWT_ISSUERS_FILE: /0/jwks_url must be https in production, except on loopback',
    ]);
    expect(problemsOf(at('http://issuer.example/keys'))).toEqual([]);
    expect(problemsOf(at('http://127.0.0.1:8001/keys?x=1'), production)).toEqual([]);
  });
});
