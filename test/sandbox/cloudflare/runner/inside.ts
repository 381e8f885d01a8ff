/**
 * Runs inside an uploaded Worker, before its own code: a Durable Object namespace answers at once with ids, which a
 * binding made of RPC cannot. Everything else of a binding is in `bindings.ts`, on the other side.
 */
import { env } from 'cloudflare:workers';

const ID = /^[0-9a-f]{64}$/;

/** FNV-1a of 64 bits, since Web Crypto's digests come later and an id is asked for at once; in hex. */
function hashOf(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}

/** 256 bits, as an id has. */
const idOf = (text: string): string => [0, 1, 2, 3].map((part) => hashOf(`${part} ${text}`)).join('');

class ObjectId {
  readonly name?: string;
  readonly #text: string;

  constructor(text: string, name?: string) {
    this.#text = text;
    if (name !== undefined) this.name = name;
  }

  toString(): string {
    return this.#text;
  }

  equals(other: unknown): boolean {
    return String(other) === this.#text;
  }
}

/** What is on the other side of the binding: a stub of an object, whose methods are its own. */
interface Remote {
  stub(id: string): Record<string, (...args: unknown[]) => unknown>;
}

/** Ids are the same for the same name; they are not those that Cloudflare would give. */
class ObjectNamespace {
  readonly #remote: Remote;
  readonly #key: string;

  constructor(remote: Remote, key: string) {
    this.#remote = remote;
    this.#key = key;
  }

  idFromName(name: string): ObjectId {
    return new ObjectId(idOf(`${this.#key} ${name}`), name);
  }

  idFromString(text: string): ObjectId {
    if (ID.test(text)) return new ObjectId(text);
    throw new TypeError('Invalid Durable Object ID: must be 64 hex digits');
  }

  newUniqueId(): ObjectId {
    return new ObjectId(idOf(crypto.randomUUID()));
  }

  jurisdiction(): this {
    return this;
  }

  getByName(name: string): unknown {
    return this.get(this.idFromName(name));
  }

  get(id: ObjectId): unknown {
    const stub = this.#remote.stub(String(id));
    return new Proxy(
      { id, ...(id.name !== undefined && { name: id.name }) },
      {
        get: (own, member) => {
          // No promise, although the stub behind it still is one.
          if (member === 'then') return undefined;
          return member in own ? Reflect.get(own, member) : calling(stub, member);
        },
      },
    );
  }
}

/** `fetch` is the object's own, with whatever a request may carry; any other member is a method of it. */
const calling =
  (stub: Record<PropertyKey, (...args: unknown[]) => unknown>, member: PropertyKey) =>
  async (...args: unknown[]): Promise<unknown> => {
    const there = member === 'fetch' ? await stub : stub;
    return there[member]?.(...args);
  };

/** Puts the namespaces, by their bindings' names with their ids, in the place of what is bound. */
export function bindNamespaces(namespaces: Readonly<Record<string, string>>): void {
  for (const [name, id] of Object.entries(namespaces))
    env[name] = new ObjectNamespace(env[name] as Remote, id);
}
