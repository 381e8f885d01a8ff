import { type FormEvent, useId, useState } from 'react';
import { Notice } from '../view/notice.tsx';

interface SignInProps {
  /** Why the page is signed out, when that was not asked for. */
  readonly why: string | undefined;
  readonly signIn: (token: string) => Promise<void>;
}

export function SignIn({ why, signIn }: SignInProps) {
  const id = useId();
  const [token, setToken] = useState('');
  const [refusal, setRefusal] = useState(why);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setRefusal(undefined);
    try {
      await signIn(token);
    } catch (error) {
      setRefusal(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };

  return (
    <Notice title="Sign in to Clawdbot Orchestrator">
      <form onSubmit={submit}>
        <label htmlFor={id}>Token (JWT) of the AdsEngineer API</label>
        <textarea
          id={id}
          value={token}
          onChange={({ target }) => setToken(target.value)}
          rows={6}
          required
          spellCheck={false}
          autoComplete="off"
          autoCapitalize="off"
          aria-describedby={`${id}-why`}
        />
        <p className="fine">
          The edge keeps it in a cookie that no script can read. In the sandbox, <code>npm start</code> prints
          a link that signs you in.
        </p>
        <p id={`${id}-why`} className="refusal" role="alert">
          {refusal}
        </p>
        <button type="submit" className="primary" disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
    </Notice>
  );
}
