import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { type Fetched, Fresh } from './fresh.ts';

const ports = {
  now: () => Date.now(),
  after: (ms: number, task: () => void) => {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  hidden: () => document.hidden,
};

/** Events tell what has changed; this is for what no event tells. */
const EVERY_MS = 30_000;

/**
 * Something of the API, while its component is shown.
 *
 * @param load of the component's first rendering: give the component a key by what it depends on
 * @param news changes when there may be something new
 */
export function useFresh<T>(
  load: () => Promise<T>,
  news: string,
): { readonly fetched: Fetched<T>; readonly again: () => void } {
  const [fresh] = useState(() => new Fresh(load, EVERY_MS, ports));
  useEffect(() => {
    fresh.start();
    return () => fresh.stop();
  }, [fresh]);
  const heard = useRef(news);
  useEffect(() => {
    if (heard.current === news) return;
    heard.current = news;
    fresh.again();
  }, [fresh, news]);
  return { fetched: useSyncExternalStore(fresh.subscribe, fresh.view), again: fresh.again };
}
