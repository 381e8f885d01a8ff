import { Console } from './console.tsx';
import { SignIn } from './session/sign-in.tsx';
import { useSession } from './session/use-session.ts';
import { Notice } from './view/notice.tsx';

/** The page: who is signed in decides what is shown. */
export function App({ linkToken }: { readonly linkToken: string | undefined }) {
  const { session, signIn, retry, leave, ended } = useSession(linkToken);
  switch (session.state) {
    case 'asking':
      return <Notice title="Clawdbot Orchestrator">Signing in …</Notice>;
    case 'unreachable':
      return (
        <Notice title="The edge cannot be reached">
          <p role="alert">{session.why}</p>
          <button type="button" onClick={retry}>
            Try again
          </button>
        </Notice>
      );
    case 'signed_out':
      return <SignIn why={session.why} signIn={signIn} />;
    case 'signed_in':
      return <Console who={session.who} leave={leave} ended={ended} />;
  }
}
