import { createRoute } from '@hono/zod-openapi';
import { secretName } from '../../ids.ts';
import { listOf } from '../resources.ts';
import { putSecret, secretSummary } from '../secrets.ts';
import { answer, bodyOf, refused, security, siteParams } from './parts.ts';

const secretParams = siteParams.extend({ name: secretName });

export const putSecretRoute = createRoute({
  method: 'put',
  path: '/sites/{id}/secrets/{name}',
  description: 'Admins only. The value is encrypted, and no answer of this API ever has it again.',
  security,
  request: { params: secretParams, body: bodyOf(putSecret) },
  responses: {
    201: { description: 'A new secret' },
    204: { description: 'The secret has another value now' },
    default: refused,
  },
});

export const listSecretsRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/secrets',
  security,
  request: { params: siteParams },
  responses: { 200: answer(listOf(secretSummary), 'All of them by name, never a value'), default: refused },
});

export const deleteSecretRoute = createRoute({
  method: 'delete',
  path: '/sites/{id}/secrets/{name}',
  security,
  request: { params: secretParams },
  responses: { 204: { description: 'Gone' }, default: refused },
});
