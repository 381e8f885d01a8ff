import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { CONFIG_HISTORY_MAX } from '../../limits.ts';
import { publicConfig } from '../../site/config.ts';
import { configGeneration, configGenerationDetail, siteConfigState } from '../configs.ts';
import { listOf, listQuery } from '../resources.ts';
import { answer, refused, security, siteParams } from './parts.ts';

export const getSiteConfigRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/config',
  security,
  request: { params: siteParams },
  responses: { 200: answer(siteConfigState, 'What is desired, and what runs'), default: refused },
});

export const listConfigHistoryRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/config/history',
  description: `The last ${CONFIG_HISTORY_MAX} generations; what runs is kept beyond that.`,
  security,
  request: { params: siteParams, query: listQuery.strict() },
  responses: { 200: answer(listOf(configGeneration), 'Newest first'), default: refused },
});

export const getConfigGenerationRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/config/history/{generation}',
  security,
  request: { params: siteParams.extend({ generation: z.coerce.number<string>().int().min(1) }) },
  responses: { 200: answer(configGenerationDetail, 'The generation with its config'), default: refused },
});

export const getPublicConfigRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/config/public',
  description:
    'Open to everyone, from every origin: the member `public` of the desired config, or {}. An edit is seen within 4 s.',
  request: { params: siteParams, headers: z.object({ 'if-none-match': z.string().optional() }) },
  responses: {
    200: answer(publicConfig, 'With a strong ETag'),
    304: { description: 'It is as If-None-Match says' },
    default: refused,
  },
});
