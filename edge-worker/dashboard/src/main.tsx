import './jitless.ts';
import './style/index.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { takeLinkToken } from './session/link.ts';

const token = takeLinkToken(window);
// A sign-in link opened where the page already is changes the fragment only.
window.addEventListener('hashchange', () => location.reload());

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <App linkToken={token} />
  </StrictMode>,
);
