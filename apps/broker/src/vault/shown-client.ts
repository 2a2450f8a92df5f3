import { bySuitability, type ClientRecord } from '#vault';

/** A client as operators see it: never a secret. */
export function shownClient(record: ClientRecord) {
  const { name, environment, clientId, secrets, extraHeaders, basicEncoding, enabled, generation } = record;
  const [inUse] = bySuitability(secrets);
  return {
    name,
    environment,
    client_id: clientId,
    secrets: secrets.map((each) => ({
      fingerprint: each.secret.fingerprint,
      added_at: each.addedAt,
      in_use: each === inUse,
      accepted_since: each.acceptedSince,
      accepted_at: each.acceptedAt,
      rejected_at: each.rejectedAt,
    })),
    extra_headers: Object.keys(extraHeaders),
    basic_encoding: basicEncoding,
    enabled,
    generation,
    created_at: record.createdAt,
    updated_at: record.updatedAt,
  };
}
