/** `1 site`, `2 sites`; `many` where the whole phrase is another one. As CLI and dashboard have it. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;
