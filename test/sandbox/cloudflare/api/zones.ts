import { createHash } from 'node:crypto';
import { z } from 'zod';

/** Taken and not looked at: the account has the zone of every host name, which are its last two labels. */
export const zone = { zone_id: z.string().optional(), zone_name: z.string().optional() };

export const idOf = (text: string): string => createHash('md5').update(text).digest('hex');
export const zoneOf = (hostname: string): string => hostname.split('.').slice(-2).join('.');
