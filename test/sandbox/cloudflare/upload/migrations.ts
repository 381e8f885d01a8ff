import { randomUUID } from 'node:crypto';
import { ApiError, CODES } from '../api/envelope.ts';
import type { ObjectClass, Script, Version } from '../store/records.ts';
import type { MigrationStep, Migrations } from './metadata.ts';

/** The Durable Object classes of a script, and the tag of the last migration that it went through. */
export type Classes = Pick<Script, 'classes' | 'migrationTag'>;

/** What the migrations of an upload make of the script's classes. */
export function migrated(present: Classes | undefined, migrations: Migrations | undefined): Classes {
  const { classes = [], migrationTag } = present ?? {};
  if (!migrations) return { classes, ...(migrationTag !== undefined && { migrationTag }) };
  const { old_tag, new_tag, steps } = migrations;
  if (old_tag !== migrationTag) {
    throw refused(
      CODES.migrationTagMismatch,
      `Migration tag precondition failed; current tag is ${migrationTag ?? 'none'}`,
      412,
    );
  }
  return {
    classes: steps.reduce(applied, classes),
    ...(new_tag !== undefined && { migrationTag: new_tag }),
  };
}

function applied(classes: ObjectClass[], step: MigrationStep): ObjectClass[] {
  const { new_classes = [], new_sqlite_classes = [], deleted_classes = [], renamed_classes = [] } = step;
  for (const name of deleted_classes) needed(classes, name, 'deleted_classes');
  const left = classes.filter(({ name }) => !deleted_classes.includes(name));
  const renamed = renamed_classes.reduce((all, { from, to }) => {
    needed(all, from, 'renamed_classes');
    return all.map((known) => (known.name === from ? { ...known, name: to } : known));
  }, left);
  const made = [...new_classes, ...new_sqlite_classes];
  const twice = made.find((name) => renamed.some((known) => known.name === name));
  if (twice !== undefined) {
    throw refused(
      CODES.objectClassExists,
      `Cannot apply new-class migration to class '${twice}' that is already depended on by existing Durable Objects`,
    );
  }
  return [...renamed, ...made.map((name) => ({ id: randomUUID().replaceAll('-', ''), name }))];
}

function needed(classes: readonly ObjectClass[], name: string, what: string): void {
  if (classes.some((known) => known.name === name)) return;
  throw refused(CODES.objectClassNotFound, `Cannot apply ${what} migration to non-existent class ${name}`);
}

/** A class that has objects cannot be left out of the code. */
export function checkExported(classes: readonly ObjectClass[], version: Version): void {
  for (const { name } of classes) {
    if (version.namedHandlers.some((exported) => exported.name === name)) continue;
    throw refused(
      CODES.objectClassNotExported,
      `New version of script does not export class '${name}' which is depended on by existing Durable Objects. If this is intentional, use a delete-class migration.`,
    );
  }
}

const refused = (code: number, message: string, status: 400 | 412 = 400): ApiError =>
  new ApiError(status, code, message);
