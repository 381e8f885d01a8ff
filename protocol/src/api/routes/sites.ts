import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { createSite, listOf, listQuery, patchSite, site } from '../resources.ts';
import { deletedSite, deleteSiteQuery, importedSites, importSites, siteQueued } from '../sites.ts';
import { answer, bodyOf, refused, security, siteParams } from './parts.ts';

/** `?label=tier:gold`, repeatable: a site must have them all. */
const labelFilter = z.string().regex(/^[a-z0-9][a-z0-9._/-]{0,62}:.{0,200}$/s, 'expected name:value');
/** Each label is one bound parameter or two of the 100 that D1 takes. */
const LABEL_FILTERS_MAX = 10;
const siteFilter = listQuery
  .extend({ label: z.union([labelFilter, z.array(labelFilter).max(LABEL_FILTERS_MAX)]).optional() })
  .strict();
export type SiteFilter = z.infer<typeof siteFilter>;

export const createSiteRoute = createRoute({
  method: 'post',
  path: '/sites',
  security,
  request: { body: bodyOf(createSite) },
  responses: { 201: answer(site, 'The new site'), default: refused },
});

export const listSitesRoute = createRoute({
  method: 'get',
  path: '/sites',
  security,
  request: { query: siteFilter },
  responses: { 200: answer(listOf(site), 'By id'), default: refused },
});

export const getSiteRoute = createRoute({
  method: 'get',
  path: '/sites/{id}',
  security,
  request: { params: siteParams },
  responses: { 200: answer(site, 'The site'), default: refused },
});

export const patchSiteRoute = createRoute({
  method: 'patch',
  path: '/sites/{id}',
  security,
  request: { params: siteParams, body: bodyOf(patchSite) },
  responses: { 200: answer(site, 'The site as it is now'), default: refused },
});

export const pauseSiteRoute = createRoute({
  method: 'post',
  path: '/sites/{id}/pause',
  security,
  request: { params: siteParams },
  responses: { 200: answer(site, 'The site, paused: its customers get 503'), default: refused },
});

export const resumeSiteRoute = createRoute({
  method: 'post',
  path: '/sites/{id}/resume',
  security,
  request: { params: siteParams },
  responses: { 200: answer(site, 'The site, answering again'), default: refused },
});

export const deleteSiteRoute = createRoute({
  method: 'delete',
  path: '/sites/{id}',
  security,
  description: 'What is still queued for it is refused (409, with its numbers) without force.',
  request: { params: siteParams, query: deleteSiteQuery },
  responses: { 200: answer(deletedSite, 'Gone, and what has become of what was queued'), default: refused },
});

export const getSiteQueuedRoute = createRoute({
  method: 'get',
  path: '/sites/{id}/queued',
  security,
  request: { params: siteParams },
  responses: { 200: answer(siteQueued, 'What is under way or kept for it'), default: refused },
});

export const importSitesRoute = createRoute({
  method: 'post',
  path: '/sites/import',
  description: 'Customers of the existing API become sites, which serve nothing until they are configured.',
  security,
  request: { body: bodyOf(importSites) },
  responses: { 200: answer(importedSites, 'What was made, and what was not and why'), default: refused },
});
