import type { ReactNode } from 'react';

/** A table with its column titles; `children` are its rows. */
export const Table = ({
  columns,
  children,
}: {
  readonly columns: readonly string[];
  readonly children: ReactNode;
}) => (
  <table>
    <thead>
      <tr>
        {columns.map((title) => (
          <th key={title} scope="col">
            {title}
          </th>
        ))}
      </tr>
    </thead>
    <tbody>{children}</tbody>
  </table>
);
