import { type ClientCredentials, type Environment, type FoundCredentials, isName, Secret, type Vault } from '#vault';

import { invalidRequest, Problem } from '../http/problem.js';

/** What the operator says about the clients in an archive. */
export interface ImportWishes {
  readonly name: string | undefined;
  readonly environment: Environment | undefined;
}

/** Gives what was found in an archive its names.
 *  @throws Problem if a name cannot be made, or belongs to another client */
export function clientsFrom(
  found: readonly FoundCredentials[],
  { name, environment }: ImportWishes,
  vault: Pick<Vault, 'findClient'>,
): ClientCredentials[] {
  if (name !== undefined && found.length > 1) {
    throw invalidRequest([{ field: 'name', detail: `must be left out: the archive holds ${found.length} clients` }]);
  }
  return found.map(({ clientId, clientSecret }) => {
    const chosen = name ?? nameFrom(clientId);
    const current = vault.findClient(chosen);
    if (name === undefined && current && current.clientId !== clientId) {
      throw new Problem('conflict', `another client has the name ${chosen}; give this one a name of its own in "name"`);
    }
    return {
      name: chosen,
      environment: environment ?? current?.environment ?? 'sandbox',
      clientId,
      clientSecret: new Secret(clientSecret),
    };
  });
}

function nameFrom(clientId: string): string {
  const name = clientId
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
    .slice(0, 63);
  if (!isName(name)) {
    throw invalidRequest([{ field: 'name', detail: 'must be given: no name can be made of the client id' }]);
  }
  return name;
}
