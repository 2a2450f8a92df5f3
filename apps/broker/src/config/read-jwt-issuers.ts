import { X509Certificate } from 'node:crypto';

import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, type ValidationError, validateSync } from 'class-validator';

import type { JwtIssuerConfig } from './broker-config.js';
import type { Environment } from './environment.js';
import { isObject, JwtIssuerShape } from './jwt-issuers-file.js';
import { isPlainHttpAbroad } from './plain-http.js';
import { readNamed } from './secrets.js';

const SETTING = 'CALLER_JWT_ISSUERS_FILE';

/** Reads and checks the file that says whose JWTs are taken for callers.
 *  @param problems what is wrong is added to it: where, by JSON pointer, and what must be there
 *  @returns what is right of it, if anything is wrong */
export function readJwtIssuers(given: Environment, problems: string[]): JwtIssuerConfig[] {
  const path = given[SETTING];
  const text = path === undefined ? undefined : readNamed(SETTING, path, problems);
  if (text === undefined) return [];
  const shapes = parse(text);
  if (!shapes) {
    problems.push(`${SETTING} must hold a list of issuers in JSON`);
    return [];
  }
  const good = shapes.filter((shape, at) => isGood(shape, `/${at}`, given, problems));
  if (new Set(good.map(({ issuer }) => issuer)).size < good.length) {
    problems.push(`${SETTING} must name each issuer once`);
  }
  return good.map(configOf);
}

function parse(text: string): JwtIssuerShape[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list)) return undefined;
    return list.map((each: unknown) => plainToInstance(JwtIssuerShape, isObject(each) ? each : {}));
  } catch {
    return undefined;
  }
}

function isGood(shape: JwtIssuerShape, place: string, given: Environment, problems: string[]): boolean {
  const errors = validateSync(shape, { whitelist: true, forbidNonWhitelisted: true });
  const said = new Set(errors.flatMap((error) => mistakes(error, place)));
  problems.push(...[...said].map((mistake) => `${SETTING}: ${mistake}`));
  if (errors.length > 0) return false;
  if (given.NODE_ENV === 'production' && isPlainHttpAbroad(shape.jwks_url)) {
    problems.push(`${SETTING}: ${place}/jwks_url must be https in production, except on loopback`);
  }
  checkFiles(shape, `${SETTING}: ${place}`, problems);
  return true;
}

/** That the files are there is checked once; what they hold is read at each fetch. */
function checkFiles({ jwks_ca_file, jwks_token_file }: JwtIssuerShape, place: string, problems: string[]): void {
  if (jwks_token_file !== undefined) readNamed(`${place}/jwks_token_file`, jwks_token_file, problems);
  const ca = jwks_ca_file === undefined ? undefined : readNamed(`${place}/jwks_ca_file`, jwks_ca_file, problems);
  if (ca === undefined) return;
  try {
    void new X509Certificate(ca);
  } catch {
    problems.push(`${place}/jwks_ca_file must hold a certificate in PEM`);
  }
}

/** An unknown field is not named: its name could be what should stand behind another. */
function mistakes({ property, constraints, children, target }: ValidationError, parent: string): string[] {
  const place = `${parent}/${property}`;
  if (constraints?.['whitelistValidation'] !== undefined) {
    return [`${parent} must have no other fields than ${fieldsOf(target).join(', ')}`];
  }
  if (constraints?.['must'] !== undefined) return [`${place} ${constraints['must']}`];
  return (children ?? []).flatMap((child) => mistakes(child, place));
}

function fieldsOf(target: object | undefined): string[] {
  const known = getMetadataStorage().getTargetValidationMetadatas(target?.constructor ?? Object, '', true, false);
  return [...new Set(known.map(({ propertyName }) => propertyName))];
}

function configOf(shape: JwtIssuerShape): JwtIssuerConfig {
  const { issuer, audience, jwks_url, jwks_ca_file, jwks_token_file, algorithms, callers } = shape;
  return {
    issuer,
    audiences: [audience].flat(),
    jwksUrl: jwks_url,
    jwksCaFile: jwks_ca_file,
    jwksTokenFile: jwks_token_file,
    algorithms,
    callers: callers.map(({ caller, subject, claims }) => ({ caller, subject, claims })),
  };
}
