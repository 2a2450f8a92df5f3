/** What a look at a part has found. A `reason` says why it works worse than it should. */
export type PartFacts = Readonly<Record<string, unknown>> & { readonly reason?: string | undefined };

/** One thing that this replica works with, and how to see how it is. */
export interface HealthPart {
  readonly name: string;
  /** May throw, and may hang. */
  look(signal: AbortSignal): PartFacts | Promise<PartFacts>;
}
