import { queried } from './query.ts';

/** A row of the existing API's table, as far as a site is made of it. */
export interface Customer {
  readonly id: string;
  readonly name: string;
  readonly status: string;
}

/** An organisation's customers in the existing API's table, which is only read here: by id, behind `after`. */
export async function listCustomers(
  db: D1Database,
  orgId: string,
  { ids, after = '', limit }: { ids: readonly string[] | undefined; after?: string; limit: number },
): Promise<Customer[]> {
  const { results } = await queried(
    db
      .prepare(
        `SELECT CAST(id AS TEXT) AS id, CAST(name AS TEXT) AS name, CAST(status AS TEXT) AS status FROM customers
         WHERE agency_id = ?1 AND id > ?2 AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))
         ORDER BY id LIMIT ?4`,
      )
      .bind(orgId, after, ids === undefined ? null : JSON.stringify(ids), limit)
      .all<Customer>(),
  );
  return results;
}
