/** Makes an uploaded Worker's bindings of the runner's entrypoints, which `bindings.ts` has. */
import type { WireCode, WireResource } from './wire.ts';

type Bind<Props> = (options: { props: Props }) => unknown;
export type Of<Kind extends WireResource['kind']> = Extract<WireResource, { kind: Kind }>;

/** The runner's own entrypoints, as bindings. */
export interface Exports {
  Service: Bind<Of<'service'>>;
  Dispatch: Bind<Of<'dispatch'>>;
  Queue: Bind<Of<'queue'>>;
  Objects: Bind<Of<'objects'>>;
  Dataset: Bind<Of<'dataset'>>;
}

function bind(props: WireResource, exports: Exports): unknown {
  switch (props.kind) {
    case 'service':
      return exports.Service({ props });
    case 'dispatch':
      return exports.Dispatch({ props });
    case 'queue':
      return exports.Queue({ props });
    case 'objects':
      return exports.Objects({ props });
    case 'dataset':
      return exports.Dataset({ props });
    default:
      return props satisfies never;
  }
}

export const boundOf = ({ resources }: WireCode, exports: Exports): Record<string, unknown> =>
  Object.fromEntries(Object.entries(resources).map(([name, resource]) => [name, bind(resource, exports)]));
