import { type Place, pathOfPlace, placeOf } from '@clawdbot/protocol';
import { createContext, type MouseEvent, type ReactNode, useContext, useEffect, useState } from 'react';

interface Here {
  readonly place: Place;
  readonly go: (place: Place) => void;
}

const placeNow = (): Place => placeOf(location.pathname) ?? { at: 'overview' };

const HereContext = createContext<Here>({ place: { at: 'overview' }, go: () => {} });

/** Where in the dashboard the reader is, by the address, which can be linked to. */
export const useHere = (): Here => useContext(HereContext);

export function HereProvider({ children }: { readonly children: ReactNode }) {
  const [place, setPlace] = useState(placeNow);
  useEffect(() => {
    const moved = () => setPlace(placeNow());
    window.addEventListener('popstate', moved);
    return () => window.removeEventListener('popstate', moved);
  }, []);
  const go = (to: Place) => {
    history.pushState(null, '', pathOfPlace(to));
    setPlace(to);
    window.scrollTo(0, 0);
  };
  return <HereContext value={{ place, go }}>{children}</HereContext>;
}

interface LinkProps {
  readonly to: Place;
  readonly children: ReactNode;
  readonly title?: string;
}

/** A plain click stays in the page; any other (a new tab, a saved link) is the browser's. */
export function Link({ to, children, title }: LinkProps) {
  const { place, go } = useHere();
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(to);
  };
  const path = pathOfPlace(to);
  const here = pathOfPlace(place);
  const current = path === here ? 'page' : here.startsWith(`${path}/`) ? true : undefined;
  return (
    <a href={path} onClick={follow} title={title} aria-current={current}>
      {children}
    </a>
  );
}

/** A site's id, which leads to its page. */
export const SiteLink = ({ siteId, title }: { readonly siteId: string; readonly title?: string }) => (
  <Link to={{ at: 'site', siteId }} {...(title === undefined ? {} : { title })}>
    {siteId}
  </Link>
);
