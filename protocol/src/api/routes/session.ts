import { createRoute } from '@hono/zod-openapi';
import { createSession, session } from '../resources.ts';
import { answer, bodyOf, refused, security } from './parts.ts';

/** Nobody is signed in yet when this is asked. */
export const createSessionRoute = createRoute({
  method: 'post',
  path: '/session',
  description: 'Turns a JWT into an HttpOnly, SameSite=Strict cookie of the same life.',
  request: { body: bodyOf(createSession) },
  responses: { 200: answer(session, 'Signed in'), default: refused },
});

export const getSessionRoute = createRoute({
  method: 'get',
  path: '/session',
  security,
  responses: { 200: answer(session, 'Who is signed in'), default: refused },
});

export const deleteSessionRoute = createRoute({
  method: 'delete',
  path: '/session',
  responses: { 204: { description: 'Signed out' }, default: refused },
});
