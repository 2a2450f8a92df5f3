import { bySuitability, type ClientRecord, type ClientSecret } from '#vault';

/** A client as operators see it: never a secret. */
export function shownClient(record: ClientRecord) {
  const { name, environment, clientId, secrets, extraHeaders, basicEncoding, enabled, generation } = record;
  const [inUse] = bySuitability(secrets);
  return {
    name,
    environment,
    client_id: clientId,
    secrets: secrets.map((each) => shownSecret(each, each === inUse)),
    /** Their names: what they hold is shown to nobody. */
    extra_headers: Object.keys(extraHeaders),
    basic_encoding: basicEncoding,
    enabled,
    generation,
    created_at: record.createdAt,
    updated_at: record.updatedAt,
  };
}

/** A secret of a client, all but the secret. */
function shownSecret({ secret, addedAt, acceptedSince, acceptedAt, rejectedAt }: ClientSecret, in_use: boolean) {
  return {
    fingerprint: secret.fingerprint,
    added_at: addedAt,
    /** Whether it is the one that is tried first. */
    in_use,
    accepted_since: acceptedSince,
    accepted_at: acceptedAt,
    rejected_at: rejectedAt,
  };
}
