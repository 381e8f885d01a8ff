import type { ReactNode } from 'react';

interface NoticeProps {
  readonly title: string;
  readonly children: ReactNode;
}

/** A page that says one thing: a sign-in, a wait, an error. */
export function Notice({ title, children }: NoticeProps) {
  return (
    <main className="notice">
      <h1>{title}</h1>
      {children}
    </main>
  );
}
