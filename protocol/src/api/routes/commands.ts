import { createRoute } from '@hono/zod-openapi';
import { z } from 'zod';
import { commandState, commandType } from '../../commands/index.ts';
import { commandId, siteId } from '../../ids.ts';
import { command, commandSummary, listOf, listQuery } from '../resources.ts';
import { answer, refused, security } from './parts.ts';

const commandParams = z.object({ id: commandId });
const commandFilter = listQuery
  .extend({ site: siteId.optional(), state: commandState.optional(), type: commandType.optional() })
  .strict();
export type CommandFilter = z.infer<typeof commandFilter>;

export const listCommandsRoute = createRoute({
  method: 'get',
  path: '/commands',
  security,
  request: { query: commandFilter },
  responses: { 200: answer(listOf(commandSummary), 'Newest first'), default: refused },
});

export const getCommandRoute = createRoute({
  method: 'get',
  path: '/commands/{id}',
  security,
  request: { params: commandParams },
  responses: { 200: answer(command, 'The command with its history'), default: refused },
});

export const cancelCommandRoute = createRoute({
  method: 'post',
  path: '/commands/{id}/cancel',
  security,
  request: { params: commandParams },
  responses: { 200: answer(command, 'The command as it is now'), default: refused },
});
