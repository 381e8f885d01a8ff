/** Names a secret of a site that is on this orchestrator. */
export interface SecretRef {
  readonly siteId: string;
  readonly name: string;
}

/** A secret as the edge gave it. It is used and forgotten: never on the disk, never in the log. */
export interface Secret {
  readonly value: string;
  readonly version: number;
}
