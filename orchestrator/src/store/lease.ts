/** A newer process has opened this database: this one must commit nothing more. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}
