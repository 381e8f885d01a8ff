import { useEffect, useState, useSyncExternalStore } from 'react';
import { browserPorts } from './browser.ts';
import { LiveStore, type LiveView } from './store.ts';

/** The live picture, while its component is shown. */
export function useLive(): { readonly view: LiveView; readonly retryNow: () => void } {
  const [store] = useState(() => new LiveStore(browserPorts));
  useEffect(() => {
    store.start();
    window.addEventListener('online', store.retryNow);
    return () => {
      window.removeEventListener('online', store.retryNow);
      store.stop();
    };
  }, [store]);
  return { view: useSyncExternalStore(store.subscribe, store.view), retryNow: store.retryNow };
}
