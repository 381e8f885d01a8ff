const SHOWN_CHARS = 8;

/** A version's id by its beginning; whole on hover. */
export const Version = ({ id }: { readonly id: string | undefined }) =>
  id === undefined ? null : <code title={id}>{id.slice(0, SHOWN_CHARS)}</code>;
